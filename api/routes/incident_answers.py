"""Incidents as JSON: what routes answer and take."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from pydantic import Field

from api.alerting import Moment
from api.routes.alerts import AlertAnswer
from api.wire import Instant, WireModel
from domain.detection.alert_event import Category
from domain.incidents.lifecycle import Action
from domain.incidents.sla import Measure
from domain.incidents.view import WRITTEN_INCIDENT, IncidentState, incident_code
from domain.vocabulary import Severity
from resources.incidents.listing import IncidentRow
from resources.incidents.reading import IncidentDetail, TimelineEntry

_NO_NUL = r"^[^\x00]*$"
Words = Annotated[str, Field(max_length=2_000, pattern=_NO_NUL)]
Person = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9._@-]*$")]
Named = Annotated[str, Field(pattern=WRITTEN_INCIDENT, description="INC-12, or its number")]


class IncidentAnswer(WireModel):
    """One incident. `next_due_at` is the nearest SLA target that is not missed yet; `actions` what is legal now."""

    incident: str
    incident_id: int
    title: str
    summary: str
    severity: Severity
    category: str
    service: str
    state: IncidentState
    is_drill: bool
    labels: dict[str, str]
    root_alert_id: int | None
    onset_at: Instant
    opened_at: Instant
    acknowledged_at: Instant | None
    acknowledged_by: str | None
    mitigated_at: Instant | None
    resolved_at: Instant | None
    closed_at: Instant | None
    reopened_count: int
    last_reopened_at: Instant | None
    snoozed_until: Instant | None
    assignee: str | None
    merged_into: str | None
    last_alert_at: Instant
    alerts: int
    firing: int
    next_due_at: Instant | None
    is_breached: bool
    revision: int
    actions: list[Action]


class IncidentList(WireModel):
    """One page."""

    items: list[IncidentAnswer]
    total: int


class ClockAnswer(WireModel):
    """An SLA clock: `left_s` is negative once the target is missed, null when the clock has stopped."""

    measure: Measure
    target_s: int
    spent_s: float
    left_s: float | None
    is_running: bool
    is_missed: bool
    due_at: Instant | None
    warned_at: Instant | None
    breached_at: Instant | None
    stopped_at: Instant | None


class EscalationAnswer(WireModel):
    """Which step is due next and when; without `due_at` none, for the reason given."""

    policy: str
    step: int
    round: int
    due_at: Instant | None
    stopped_reason: str | None


class TicketAnswer(WireModel):
    """The ticket in the desk of others."""

    key: str | None
    status: str | None
    synced_at: Instant | None
    last_error: str | None


class FullIncident(IncidentAnswer):
    """One incident with what hangs on it."""

    clocks: list[ClockAnswer]
    escalation: EscalationAnswer | None
    ticket: TicketAnswer | None
    merged_from: list[str]


class EntryAnswer(WireModel):
    """Who did what through what, and where it led."""

    event_id: int
    at: Instant
    actor: str
    kind: str
    cause: str
    from_state: IncidentState | None
    to_state: IncidentState | None
    detail: dict[str, Any]
    correlation_id: str


class Timeline(WireModel):
    """In the order of time."""

    items: list[EntryAnswer]
    total: int


class IncidentAlert(AlertAnswer):
    """An alert of an incident; `is_root`: the likely cause."""

    is_root: bool


class IncidentAlerts(WireModel):
    """The likely cause first, then by onset."""

    items: list[IncidentAlert]
    total: int


class ActionBody(WireModel):
    """What to do. `until` goes with snooze, `assignee` with assign (null: nobody), `severity` with set-severity, `into` with merge."""

    action: Action
    reason: Words = ""
    until: Moment | None = None
    assignee: Person | None = None
    severity: Severity | None = None
    into: Named | None = None


class ActedAnswer(WireModel):
    """The incident afterwards; `note` says why nothing changed."""

    is_change: bool
    note: str
    incident: FullIncident


class SplitBody(WireModel):
    """Which alerts leave."""

    alert_ids: Annotated[list[Annotated[int, Field(ge=1, le=2**63 - 1)]], Field(min_length=1, max_length=10_000)]


class NewIncidentBody(WireModel):
    """What somebody has found. `onset_at` is when it began, where that is known."""

    title: Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\x00]*\S[^\x00]*$")]
    summary: Words = ""
    severity: Severity
    category: Category = Category.PLATFORM
    service: Annotated[str, Field(max_length=100, pattern=r"^[\w.-]*$")] = ""
    onset_at: Moment | None = None


def facts_of(row: IncidentRow) -> dict[str, Any]:
    """The fields of `IncidentAnswer`."""
    return {
        **asdict(row),
        "incident": row.code,
        "merged_into": incident_code(row.merged_into) if row.merged_into else None,
        "actions": row.actions,
    }


def answer_incident(found: IncidentDetail) -> FullIncident:
    """One incident with what hangs on it."""
    return FullIncident(
        **facts_of(found.row),
        clocks=[ClockAnswer(**asdict(one)) for one in found.clocks],
        escalation=EscalationAnswer(**asdict(found.escalation)) if found.escalation else None,
        ticket=TicketAnswer(**asdict(found.ticket)) if found.ticket else None,
        merged_from=[incident_code(one) for one in found.merged_from],
    )


def answer_entry(entry: TimelineEntry) -> EntryAnswer:
    """One entry of a timeline."""
    return EntryAnswer(**asdict(entry))
