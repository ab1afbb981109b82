"""The form of an incident that a person has found: it pages like any other (E1)."""

from __future__ import annotations

from fastapi import Request, Response

from api.access import allow, current_caller
from api.alerting import alert_services
from api.pages.error_pages import page_router
from api.pages.flashes import Flash
from api.pages.incidents import CATEGORIES, CRUMBS, SEVERITIES
from api.pages.posted import Posted, PostedForm
from api.pages.rendering import go, render
from domain.detection.alert_event import Category
from domain.errors import EtlmonError, InputDataError
from domain.incidents.view import IncidentView
from domain.vocabulary import Severity
from resources.clock import utc_now
from resources.incidents.desk import NewIncident

router = page_router()


@router.get("/incidents/new")
@allow("incidents", "act")
def show_form(request: Request) -> Response:
    """What is broken?"""
    return _page(request, {"severity": Severity.HIGH.value, "category": Category.TRANSACTION.value})


@router.post("/incidents/new")
@allow("incidents", "act")
def open_incident(request: Request, form: Posted) -> Response:
    """Open it; whoever is on call is told."""
    try:
        view = _open(request, form)
    except InputDataError as error:
        return _page(request, form.values(), error=error)
    return go(request, f"/incidents/{view.code}", Flash(f"{view.code} is open", "Whoever is on call is told now."))


def _open(request: Request, form: PostedForm) -> IncidentView:
    now = utc_now()
    new = NewIncident(
        title=form.text("title")[:200],
        summary=form.text("summary")[:2000],
        severity=form.word("severity", Severity),
        category=form.word("category", Category).value,
        service=form.text("service")[:200],
        onset_at=now,
    )
    return alert_services(request).incident_service.open(
        new, actor=current_caller(request).username, cause="page", now=now, onset_at=form.instant("onset_at")
    )


def _page(request: Request, typed: dict[str, str], *, error: EtlmonError | None = None) -> Response:
    return render(
        request,
        "incident_new.html",
        crumbs=[*CRUMBS, ("New incident", "")],
        status=422 if error else 200,
        typed=typed,
        error=error,
        severities=SEVERITIES,
        categories=CATEGORIES,
    )
