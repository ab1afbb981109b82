"""One incident: headline, what may be done, the signal, alerts, timeline, clocks, escalation, messages, ticket (E2)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query, Request, Response
from sqlalchemy import Connection

from api.access import allow, control_plane
from api.pages.error_pages import page_router
from api.pages.incident_actions import list_buttons
from api.pages.incident_graph import draw_incident
from api.pages.incident_timeline import show_codes, show_entry
from api.pages.incidents import CRUMBS
from api.pages.rendering import render
from api.pages.runbooks import address_of_runbook
from api.routes.messages import answer_of
from domain.incidents.view import parse_incident
from domain.notification.rules import NotificationRules
from resources.clock import utc_now
from resources.incidents.reading import EscalationState, read_alerts, read_incident, read_timeline
from resources.notification.outbox import list_messages
from resources.postgres.engine import reading

router = page_router()
Code = Annotated[str, Path(max_length=24)]
_ENTRIES, _ALL_ENTRIES, _ALERTS, _MESSAGES = 100, 5000, 50, 25


@router.get("/incidents/{code}")
@allow("incidents", "read")
def show_incident(
    request: Request,
    code: Code,
    *,
    timeline: Annotated[str, Query(max_length=8)] = "",
    alert: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    stretch: Annotated[str, Query(max_length=8)] = "",
) -> Response:
    """Everything that whoever was woken by it has to know."""
    control, now, number = control_plane(request), utc_now(), parse_incident(code)
    with reading(control.engine) as connection:
        detail = read_incident(connection, number, now=now)
        alerts, alert_total = read_alerts(connection, number, limit=_ALERTS)
        messages, message_total = list_messages(connection, incident_id=number, limit=_MESSAGES)
        entries, entry_total = _read_newest(connection, number, most=_ALL_ENTRIES if timeline == "all" else _ENTRIES)
    row, runbook = detail.row, _runbook(alerts)
    next_step, next_told = _next_step(detail.escalation, control.notification_rules())
    return render(
        request,
        "incident.html",
        crumbs=[*CRUMBS, (row.code, "")],
        one=row,
        detail=detail,
        address=f"/incidents/{row.code}",
        buttons=list_buttons(row, alerts=alert_total),
        alerts=alerts,
        alert_total=alert_total,
        messages=[answer_of(message) for message in messages],
        message_total=message_total,
        entries=[show_entry(entry) for entry in reversed(entries)],
        entry_total=entry_total,
        next_step=next_step,
        next_told=next_told,
        merged_from=show_codes(detail.merged_from),
        merged_into=show_codes([row.merged_into])[0] if row.merged_into else "",
        runbook=runbook,
        runbook_address=address_of_runbook(runbook),
        ticket_url=f"{str(control.settings.jira_url).rstrip('/')}/browse/" if control.settings.jira_url else "",
        graph=draw_incident(request, row, alerts, wanted=alert, stretch=stretch, now=now),
    )


def _read_newest(connection: Connection, number: int, *, most: int) -> tuple[list[Any], int]:
    """The newest entries in the order of time, and how many there are in all."""
    entries, total = read_timeline(connection, number, limit=most)
    if total > most:
        entries, _ = read_timeline(connection, number, limit=most, offset=total - most)
    return list(entries), total


def _next_step(escalation: EscalationState | None, rules: NotificationRules) -> tuple[str, str]:
    """The step that is due next, and whom it tells; empty texts where none is."""
    if escalation is None or escalation.due_at is None:
        return "", ""
    policy = rules.policies.get(escalation.policy)
    steps = policy.steps if policy else []
    if escalation.step >= len(steps):
        return f"the end of {escalation.policy}", f"manager {policy.manager}" if policy else "the manager"
    told = ", ".join(one.describe() for one in steps[escalation.step].targets)
    return f"step {escalation.step + 1} of {escalation.policy}, {told}", told


def _runbook(alerts: list[dict[str, Any]]) -> str:
    """Of the likely cause, else of any alert that has one."""
    return next((str(one["annotations"]["runbook"]) for one in alerts if one["annotations"].get("runbook")), "")
