"""What a ticket and its comments say: composed from the incident, its alerts and its timeline (H1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from domain.incidents.lifecycle import Action
from domain.incidents.view import IncidentView
from domain.notification.texts import clean, say_instant
from domain.tickets.document import LONGEST, Node, bullets, document, heading, panel, paragraph, words
from domain.tickets.rules import OwnField, TicketRules
from domain.tickets.ticket import Draft

_ALERTS = 20


@dataclass(frozen=True, slots=True)
class AlertLine:
    """One alert of the incident."""

    title: str
    summary: str
    severity: str
    fired_at: datetime
    runbook: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """Everything a ticket says beside the view: alerts with the root first, links, the analysis if there is one."""

    incident_url: str
    alerts: Sequence[AlertLine] = ()
    correlation_id: str = ""
    rca: str = ""
    rca_template: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """An entry of the timeline, as a comment tells it."""

    event_id: int
    at: datetime
    actor: str
    kind: str
    cause: str
    detail: Mapping[str, Any]


def compose_draft(view: IncidentView, context: Context, rules: TicketRules, *, priority: str | None) -> Draft:
    """The ticket of an incident."""
    drill = "[DRILL] " if view.is_drill else ""
    labels = [rules.marker, rules.marker_of(view.code), *rules.labels, *_as_labels(view.category)]
    return Draft(
        summary=clean(f"{drill}[{view.severity.value}] {view.code} {view.title}", limit=250),
        description=describe(view, context),
        priority=priority,
        labels=tuple(dict.fromkeys([*labels, *(["drill"] if view.is_drill else [])])),
        fields={name: _own_value(one, view, context) for name, one in rules.fields.items()},
    )


def describe(view: IncidentView, context: Context) -> Node:
    """The description: what, since when, alerts with the root first, links, runbook, root cause analysis."""
    drill = [panel("This is a drill. Nothing is broken.")] if view.is_drill else []
    rows = [
        ("Incident", view.code),
        ("Service", view.service or "not known"),
        ("Severity", view.severity.value),
        ("Category", view.category),
        ("Since", say_instant(view.onset_at)),
        ("Detected", say_instant(view.opened_at)),
        ("State", view.state.value),
    ]
    facts = bullets([[words(f"{label}: ", is_strong=True), words(value)] for label, value in rows])
    blocks = [*drill, paragraph(words(view.summary or view.title)), facts, *_alerts(context), *_links(view, context)]
    blocks += [heading("Root cause analysis"), paragraph(words(context.rca or "There is none yet.", limit=8_000))]
    return _fitting(blocks)


def compose_comment(event: Event, *, code: str) -> Node:
    """One timeline entry. The last line marks it, so that it can be recognised and is never written twice."""
    return document(
        [paragraph(words(_say(event), limit=8_000)), paragraph(words(marker_line(event.event_id, code=code)))]
    )


def marker_line(event_id: int, *, code: str) -> str:
    """What the comment of this entry ends with."""
    return f"etlmon {code} #{event_id}"


def _say(event: Event) -> str:
    detail = event.detail
    said = {
        Action.ACKNOWLEDGE: f"Acknowledged by {event.actor} via {event.cause}.",
        Action.INVESTIGATE: f"{event.actor} investigates.",
        Action.REMEDIATE: f"{event.actor} remediates.",
        Action.MONITOR: f"Mitigated; {event.actor} watches whether it holds.",
        Action.RESOLVE: f"Resolved by {event.actor}.",
        Action.CLOSE: f"Closed by {event.actor}.",
        Action.REOPEN: f"Reopened by {event.actor}.",
        Action.SNOOZE: f"Snoozed by {event.actor} until {say_instant(detail.get('until'))}.",
        Action.WAKE: "The snooze is over.",
        Action.ASSIGN: f"Assigned to {detail.get('assignee', 'nobody')} by {event.actor}.",
        Action.COMMENT: f"{event.actor}:",
        Action.SET_SEVERITY: f"Severity is {detail.get('severity')} now, by {event.actor}.",
        Action.MERGE: f"Merged into {detail.get('into')} by {event.actor}: it goes on there.",
    }
    first = said.get(Action(event.kind), event.kind) if event.kind in set(Action) else event.kind
    return f"{first} {detail.get('reason') or ''}".strip()


def _alerts(context: Context) -> list[Node]:
    if not context.alerts:
        return []
    shown = [
        [
            words(f"[{one.severity}] {one.title}", is_strong=number == 0),
            words(f" since {say_instant(one.fired_at)}: {one.summary}"),
        ]
        for number, one in enumerate(context.alerts[:_ALERTS])
    ]
    more = len(context.alerts) - _ALERTS
    rest = [[words(f"and {more} more")]] if more > 0 else []
    return [heading("Alerts, the likely root first"), bullets([*shown, *rest])]


def _links(view: IncidentView, context: Context) -> list[Node]:
    links = [
        [words("Incident and timeline", link=context.incident_url)],
        [words("Signals and dashboard", link=f"{context.incident_url}#signal")],
    ]
    runbook = next((one.runbook for one in context.alerts if one.runbook), "")
    if runbook:
        is_link = runbook.startswith(("https://", "http://"))
        links.append([words(f"Runbook: {runbook}", link=runbook if is_link else "")])
    return [heading(f"Where to look for {view.code}"), bullets(links)]


def _fitting(blocks: list[Node]) -> Node:
    """Without its last blocks but one, as long as it is longer than the desk takes."""
    while len(blocks) > 2 and len(orjson.dumps(blocks)) > LONGEST:
        del blocks[-2]
    return document(blocks)


def _as_labels(value: str) -> list[str]:
    return ["-".join(clean(value, limit=60).split())] if value.strip() else []


def _own_value(one: OwnField, view: IncidentView, context: Context) -> Any:
    known: dict[str, Any] = {
        "code": view.code,
        "service": view.service,
        "category": view.category,
        "severity": view.severity.value,
        "onset_at": view.onset_at,
        "opened_at": view.opened_at,
        "incident_url": context.incident_url,
        "correlation_id": context.correlation_id,
        "rca_template": context.rca_template,
    }
    value = known[one.value]
    if one.type == "date-time":
        return value.strftime("%Y-%m-%dT%H:%M:%S.000%z") if isinstance(value, datetime) else None
    shown = say_instant(value) if isinstance(value, datetime) else clean(value, limit=250)
    if not shown:
        return None
    return {"text": shown, "option": {"value": shown}, "labels": _as_labels(shown)}[one.type]
