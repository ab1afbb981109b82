"""What a person does to an incident from its page: one press for what hurts nobody, a question before the rest (E1)."""

from __future__ import annotations

from fastapi import Request, Response

from api.access import allow, control_plane, current_caller
from api.alerting import alert_services
from api.pages.error_pages import page_router
from api.pages.flashes import Flash
from api.pages.incident_actions import SPLIT, ask_for, parse_action, read_request
from api.pages.incident_view import Code
from api.pages.incidents import CRUMBS
from api.pages.posted import Posted, PostedForm
from api.pages.questions import ask, carry_out
from domain.errors import InputDataError
from domain.incidents.view import incident_code, parse_incident
from resources.clock import utc_now
from resources.incidents.reading import read_alerts, read_incident
from resources.postgres.engine import reading

router = page_router()
_MOST_ALERTS = 200


@router.get("/incidents/{code}/{action}")
@allow("incidents", "act")
def ask_action(request: Request, code: Code, action: str) -> Response:
    """Ask before it is done."""
    control, number = control_plane(request), parse_incident(code)
    with reading(control.engine) as connection:
        row = read_incident(connection, number, now=utc_now()).row
        alerts, _ = read_alerts(connection, number, limit=_MOST_ALERTS)
    people = {name: one.title for name, one in sorted(control.notification_rules().people.items())}
    choices = [(str(one["alert_id"]), one["title"]) for one in alerts]
    question = ask_for(row, action, people=people, me=current_caller(request).username, alerts=choices)
    return ask(request, question, crumbs=[*CRUMBS, (row.code, question.back)])


@router.post("/incidents/{code}/{action}")
@allow("incidents", "act")
def carry_out_action(request: Request, code: Code, action: str, form: Posted) -> Response:
    """Do it."""
    number = parse_incident(code)
    work = _split if action == SPLIT else _act
    return carry_out(request, f"/incidents/{incident_code(number)}", lambda: work(request, number, action, form))


def _act(request: Request, number: int, written: str, form: PostedForm) -> Flash:
    wanted = read_request(parse_action(written), form, actor=current_caller(request).username, now=utc_now())
    seen = form.number("revision") or None
    acted = alert_services(request).incident_service.act(number, wanted, revision=seen)
    if not acted.is_change:
        return Flash("Nothing had to change", acted.note, kind="info")
    return Flash(
        f"{acted.view.code}: {wanted.action.value.replace('-', ' ')} is noted",
        f"It is {acted.view.state.value.lower()}.",
    )


def _split(request: Request, number: int, _: str, form: PostedForm) -> Flash:
    chosen = [int(one) for one in form.texts("alerts") if one.isascii() and one.isdigit() and len(one) < 19]
    if not chosen:
        raise InputDataError("no alert was chosen", suggestion="tick those that do not belong here")
    view = alert_services(request).incident_service.split(
        number,
        chosen,
        actor=current_caller(request).username,
        cause="page",
        now=utc_now(),
        revision=form.number("revision") or None,
    )
    return Flash(f"{view.code} is an incident of its own now", f"{len(chosen)} of the alerts went there.")
