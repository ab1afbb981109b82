"""The forms that hold alerts back: a silence, a maintenance window, an entry of the allow-list; each shows first what it would mute."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import Path, Query, Request, Response

from api.access import allow, current_caller
from api.alerting import alert_services
from api.pages.error_pages import page_router
from api.pages.flashes import Flash
from api.pages.posted import Posted, PostedForm
from api.pages.rendering import go, render
from api.pages.silences import BACK, CRUMBS
from domain.detection.matchers import parse_matcher
from domain.errors import EtlmonError, InputDataError
from resources.alerts.silences import Preview
from resources.clock import utc_now

router = page_router()
Kind = Annotated[Literal["silence", "window", "noise"], Path()]
_TITLES = {"silence": "New silence", "window": "New maintenance window", "noise": "New entry of the allow-list"}
_LENGTHS = [(1800, "30 minutes"), (3600, "1 hour"), (7200, "2 hours"), (14_400, "4 hours"), (28_800, "8 hours"),
            (86_400, "1 day"), (604_800, "7 days")]  # fmt: skip


@router.get("/silences/new")
@allow("silences", "act")
def show_new_silence(request: Request, matchers: Annotated[str, Query(max_length=2000)] = "") -> Response:
    """The form of a silence, filled in with what is to be muted."""
    return _page(request, "silence", {"matchers": matchers})


@router.get("/silences/new/{kind}")
@allow("silences", "act")
def show_form(request: Request, kind: Kind, matchers: Annotated[str, Query(max_length=2000)] = "") -> Response:
    """The form of each kind."""
    return _page(request, kind, {"matchers": matchers})


@router.post("/silences/new/{kind}")
@allow("silences", "act")
def create(request: Request, kind: Kind, form: Posted) -> Response:
    """Show what it would mute, or do it."""
    try:
        if form.text("step") != "save":
            return _page(request, kind, form.values(), preview=_preview(request, kind, form))
        return go(request, BACK, _save(request, kind, form))
    except InputDataError as error:
        return _page(request, kind, form.values(), error=error)


def _preview(request: Request, kind: str, form: PostedForm) -> Preview:
    rule = form.text("rule_id")
    by_rule = [{"label": "rule", "op": "=", "value": rule}] if kind == "noise" and rule not in ("", "*") else []
    return alert_services(request).silences.preview([*_matchers(form), *by_rule], now=utc_now())


def _save(request: Request, kind: str, form: PostedForm) -> Flash:
    silences, now = alert_services(request).silences, utc_now()
    matchers, actor = _matchers(form), current_caller(request).username
    reason = _required(form, "reason", "a reason of at least three letters", shortest=3)
    if kind == "noise":
        rule = _required(form, "rule_id", "the id of a rule, or *")
        silences.allow(rule, matchers, reason=reason, actor=actor, now=now)
        return Flash("It is on the allow-list", f"{rule}: recorded from now on, and told to nobody.")
    if kind == "silence":
        number, found = silences.add(
            matchers, starts_at=form.instant("starts_at"), ends_at=_end(form, now), reason=reason, actor=actor, now=now
        )  # fmt: skip
        return Flash(f"Silence {number} is set", f"It mutes {len(found.firing)} alerts that fire now.")
    is_recurring = form.text("cron") != ""
    number = silences.add_window(
        matchers,
        title=_required(form, "title", "a title"),
        reason=reason,
        actor=actor,
        now=now,
        starts_at=None if is_recurring else form.instant("starts_at"),
        ends_at=None if is_recurring else form.instant("ends_at"),
        cron=form.text("cron")[:100] if is_recurring else None,
        duration_s=form.number("minutes") * 60 if is_recurring else None,
        time_zone=form.text("time_zone")[:60] or "UTC",
    )
    return Flash(f"Maintenance window {number} is planned")


def _matchers(form: PostedForm) -> list[dict[str, str]]:
    lines = [line for line in form.text("matchers").splitlines() if line.strip()]
    if len(lines) > 20:
        raise InputDataError("more than 20 matchers", suggestion="use regular expressions: service=~a|b")
    return [parse_matcher(line).model_dump() for line in lines]


def _end(form: PostedForm, now: datetime) -> datetime:
    """The instant that was written; else so long after the beginning."""
    length = timedelta(seconds=form.number("length_s"))
    found = form.instant("ends_at") or (max(form.instant("starts_at") or now, now) + length if length else None)
    if found is None:
        raise InputDataError("a silence needs an end", suggestion="choose a length, or give the instant")
    return found


def _required(form: PostedForm, name: str, what: str, *, shortest: int = 1) -> str:
    given = form.text(name)[:1000]
    if len(given) < shortest:
        raise InputDataError(f"{what} is missing", suggestion="so that others know what it is and when it can go")
    return given


def _page(
    request: Request, kind: str, typed: dict[str, str], *, preview: Preview | None = None, error: EtlmonError | None = None
) -> Response:  # fmt: skip
    return render(
        request,
        "silence_new.html",
        crumbs=[*CRUMBS, (_TITLES[kind], "")],
        status=422 if error else 200,
        title=_TITLES[kind],
        kind=kind,
        typed=typed,
        lengths=_LENGTHS,
        preview=preview,
        error=error,
    )
