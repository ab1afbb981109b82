"""One incident with all that belongs to it: timeline, alerts, clocks, escalation, ticket. Messages are in `notification.outbox`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from domain.errors import NotFoundError
from domain.incidents.sla import Clock, Measure
from domain.incidents.view import IncidentState, incident_code
from resources.alerts.listing import COLUMNS
from resources.incidents.clocks import read_clocks
from resources.incidents.listing import IncidentRow, read_row


@dataclass(frozen=True, slots=True)
class ClockState:
    """A clock as it stands. Times in seconds; `left_s` is negative once the target is missed, None when it is stopped."""

    measure: Measure
    target_s: int
    spent_s: float
    left_s: float | None
    is_running: bool
    is_missed: bool
    due_at: datetime | None
    warned_at: datetime | None
    breached_at: datetime | None
    stopped_at: datetime | None


@dataclass(frozen=True, slots=True)
class EscalationState:
    """Who is told next and when: `step` counts from 0; without `due_at` nothing comes any more, for the reason given."""

    policy: str
    step: int
    round: int
    due_at: datetime | None
    stopped_reason: str | None


@dataclass(frozen=True, slots=True)
class TicketState:
    """The ticket in the desk of others; `key` is None until that desk has answered."""

    key: str | None
    status: str | None
    synced_at: datetime | None
    last_error: str | None


@dataclass(frozen=True, slots=True)
class IncidentDetail:
    """An incident with what hangs on it; lists that may be long have functions of their own."""

    row: IncidentRow
    clocks: list[ClockState]
    escalation: EscalationState | None
    ticket: TicketState | None
    merged_from: list[int]


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """Who did what, when, through what, and where it led. `detail` says the rest: reason, until, alerts …"""

    event_id: int
    at: datetime
    actor: str
    kind: str
    cause: str
    from_state: IncidentState | None
    to_state: IncidentState | None
    detail: dict[str, Any]
    correlation_id: str


def read_incident(connection: Connection, incident_id: int, *, now: datetime) -> IncidentDetail:
    """The incident.

    Raises:
        NotFoundError: there is none of that number.
    """
    row = read_row(connection, incident_id)
    if row is None:
        raise NotFoundError(f"there is no {incident_code(incident_id)}", suggestion="`etlmon incident list` shows all")
    values = {"id": incident_id}
    beside = connection.execute(_BESIDE, values).one()
    return IncidentDetail(
        row=row,
        clocks=[_as_state(one, now) for one in read_clocks(connection, incident_id)],
        escalation=EscalationState(beside.policy, beside.step, beside.round, beside.due_at, beside.stopped_reason)
        if beside.policy is not None
        else None,
        ticket=TicketState(beside.ticket_key, beside.status, beside.synced_at, beside.last_error)
        if beside.has_ticket
        else None,
        merged_from=list(beside.merged_from),
    )


_BESIDE = text(
    "SELECT e.policy, e.step, e.round, e.due_at, e.stopped_reason, t.incident_id IS NOT NULL AS has_ticket, t.ticket_key, t.status,"
    " t.synced_at, t.last_error, ARRAY(SELECT incident_id FROM incidents WHERE merged_into = :id ORDER BY incident_id) AS merged_from"
    " FROM (SELECT CAST(:id AS bigint) AS incident_id) AS i LEFT JOIN escalations AS e USING (incident_id)"
    " LEFT JOIN tickets AS t USING (incident_id)"
)


def read_timeline(
    connection: Connection, incident_id: int, *, limit: int = 500, offset: int = 0
) -> tuple[list[TimelineEntry], int]:
    """Entries in the order of time, and how many there are in all. An unknown incident has none."""
    values = {"id": incident_id, "limit": limit, "offset": offset}
    rows = connection.execute(
        text(
            "SELECT event_id, at, actor, kind, cause, from_state, to_state, detail, correlation_id FROM incident_events"
            " WHERE incident_id = :id ORDER BY event_id LIMIT :limit OFFSET :offset"
        ),
        values,
    ).all()
    return [_as_entry(row) for row in rows], _count(connection, "incident_events", incident_id)


def read_alerts(
    connection: Connection, incident_id: int, *, limit: int = 200, offset: int = 0
) -> tuple[list[dict[str, Any]], int]:
    """Its alerts as in the list of alerts, each with `is_root`; the likely cause first, then by onset. And how many in all."""
    rows = connection.execute(
        text(
            f"SELECT {COLUMNS}, coalesce(alert_id = (SELECT root_alert_id FROM incidents WHERE incident_id = :id), false) AS is_root"
            " FROM alerts WHERE incident_id = :id ORDER BY is_root DESC, onset_at, alert_id LIMIT :limit OFFSET :offset"
        ),
        {"id": incident_id, "limit": limit, "offset": offset},
    ).mappings()
    return [dict(row) for row in rows], _count(connection, "alerts", incident_id)


def _count(connection: Connection, table: str, incident_id: int) -> int:
    query = text(f"SELECT count(*) FROM {table} WHERE incident_id = :id")
    return int(connection.execute(query, {"id": incident_id}).scalar_one())


def _as_state(clock: Clock, now: datetime) -> ClockState:
    spent = clock.spent_s(now)
    return ClockState(
        measure=clock.measure,
        target_s=clock.target_s,
        spent_s=spent,
        left_s=None if clock.stopped_at else clock.target_s - spent,
        is_running=clock.running_since is not None,
        is_missed=clock.breached_at is not None or spent > clock.target_s,
        due_at=clock.due_at,
        warned_at=clock.warned_at,
        breached_at=clock.breached_at,
        stopped_at=clock.stopped_at,
    )


def _as_entry(row: Any) -> TimelineEntry:
    return TimelineEntry(
        event_id=row.event_id,
        at=row.at,
        actor=row.actor,
        kind=row.kind,
        cause=row.cause,
        from_state=IncidentState(row.from_state) if row.from_state else None,
        to_state=IncidentState(row.to_state) if row.to_state else None,
        detail=row.detail,
        correlation_id=row.correlation_id,
    )
