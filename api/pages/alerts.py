"""Alerts: the list with filters, one with everything decided about it, why somebody was or was not paged, verdicts (D7, D8)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Request, Response

from api.access import allow, control_plane, current_caller
from api.alerting import alert_services
from api.pages.error_pages import page_router
from api.pages.filters import read_number, read_text, read_word
from api.pages.flashes import Flash
from api.pages.posted import Posted, PostedForm
from api.pages.questions import carry_out
from api.pages.rendering import render
from api.pages.runbooks import address_of_runbook
from domain.detection.alert_event import AlertStatus
from domain.errors import InputDataError
from domain.vocabulary import Severity
from resources.alerts.listing import AlertFilter, get_alert, list_alerts
from resources.alerts.why import explain_alert
from resources.clock import utc_now
from resources.postgres.engine import transaction

router = page_router()
AlertId = Annotated[int, Path(ge=1, le=2**63 - 1)]
_CRUMBS = [("Overview", "/"), ("Alerts", "/alerts")]
_PAGE = 100
_FILTERS = ("status", "severity", "rule", "held", "label", "incident")
_HELD = {"yes": True, "no": False}


@router.get("/alerts")
@allow("alerts", "read")
def list_all(request: Request, before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None) -> Response:
    """Newest first, with filters."""
    given = {name: read_text(request, name) for name in _FILTERS}
    if "status" not in request.query_params:
        given["status"] = AlertStatus.FIRING.value
    with transaction(control_plane(request).engine) as connection:
        rows = list_alerts(connection, _filter(given), limit=_PAGE + 1, before=before)
    return render(
        request,
        "alerts.html",
        crumbs=_CRUMBS,
        alerts=rows[:_PAGE],
        older=rows[_PAGE - 1]["alert_id"] if len(rows) > _PAGE else None,
        is_first=before is None,
        given=given,
        is_filtered=any(value for name, value in given.items() if (name, value) != ("status", "FIRING")),
    )


@router.get("/alerts/precision")
@allow("alerts", "read")
def show_precision(request: Request) -> Response:
    """How right the rules were, by what people said of their alerts."""
    rules = alert_services(request).verdicts.precision(now=utc_now())
    return render(request, "precision.html", crumbs=[*_CRUMBS, ("Precision of rules", "")], rules=rules)


@router.get("/alerts/{alert_id}")
@allow("alerts", "read")
def show_alert(request: Request, alert_id: AlertId) -> Response:
    """One alert."""
    with transaction(control_plane(request).engine) as connection:
        alert = get_alert(connection, alert_id)
        sentences = explain_alert(connection, alert_id)
    crumbs = [*_CRUMBS, (f"Alert {alert_id}", "")]
    return render(request, "alert.html", crumbs=crumbs, alert=alert, sentences=sentences, address_of=address_of_runbook)


@router.post("/alerts/{alert_id}/verdict")
@allow("alerts", "act")
def judge_alert(request: Request, alert_id: AlertId, form: Posted) -> Response:
    """Say whether it was right; the last word counts."""
    return carry_out(request, f"/alerts/{alert_id}", lambda: _judge(request, alert_id, form))


def _judge(request: Request, alert_id: int, form: PostedForm) -> Flash:
    verdict, actor = form.text("verdict"), current_caller(request).username
    if verdict not in ("TRUE_POSITIVE", "FALSE_POSITIVE"):
        raise InputDataError(f"{verdict[:40]!r} is no verdict", suggestion="say that it was right, or a false alarm")
    alert_services(request).verdicts.judge(
        alert_id, "TRUE_POSITIVE" if verdict == "TRUE_POSITIVE" else "FALSE_POSITIVE", actor=actor, now=utc_now()
    )
    return Flash("Noted: it was right" if verdict == "TRUE_POSITIVE" else "Noted: a false alarm")


def _filter(given: dict[str, str]) -> AlertFilter:
    name, mark, value = given["label"].partition("=")
    return AlertFilter(
        status=read_word(given["status"], AlertStatus),
        severity=read_word(given["severity"], Severity),
        rule_id=given["rule"] or None,
        incident_id=read_number(given["incident"].upper().removeprefix("INC-")),
        is_held_back=_HELD.get(given["held"]),
        label=(name.strip(), value.strip()) if mark else None,
    )
