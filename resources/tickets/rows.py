"""The rows of tickets: wanting one, making it due, claiming what is due. Each claim ends by itself (H1, H7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

#: How long a worker holds a ticket: longer than all its requests, and than a new ticket is missing in Jira's searches.
LEASE_S = 240
_RENEWED = (
    "is_gone = false, ticket_key = CASE WHEN is_gone THEN NULL ELSE ticket_key END,"
    " status = CASE WHEN is_gone THEN NULL ELSE status END"
)
_WANT = (
    "INSERT INTO tickets AS t (incident_id, due_at, wanted_priority) VALUES (:id, :now, :priority) ON CONFLICT (incident_id)"
    " DO UPDATE SET changes = t.changes + 1, wanted_priority = coalesce(excluded.wanted_priority, t.wanted_priority),"
    " due_at = CASE WHEN t.attempts > 0 THEN coalesce(t.due_at, :now) ELSE :now END WHERE NOT t.is_gone"
)
_TOUCH = (
    "UPDATE tickets SET changes = changes + 1, due_at = CASE WHEN attempts > 0 THEN coalesce(due_at, :now) ELSE :now END"
    " WHERE NOT is_gone AND "
)
_CLAIM = text(
    "UPDATE tickets AS t SET locked_until = :lease, attempts = t.attempts + 1,"
    " is_possibly_created = t.is_possibly_created OR t.ticket_key IS NULL FROM (SELECT incident_id, is_possibly_created FROM tickets"
    " WHERE due_at <= :now AND NOT is_gone AND (locked_until IS NULL OR locked_until <= :now)"
    " AND (CAST(:only AS bigint) IS NULL OR incident_id = :only) ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED) AS due"
    " WHERE t.incident_id = due.incident_id RETURNING t.*, due.is_possibly_created AS was_possibly_created"
)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A ticket that this worker may work on until `lease`."""

    incident_id: int
    key: str | None
    status: str | None
    priority: str | None
    wanted_priority: str | None
    pushed_state: str | None
    told_event_id: int
    seen_changes: int
    seen_comment_id: int
    attempts: int
    changes: int
    was_possibly_created: bool
    is_failing: bool
    lease: datetime


def want_ticket(connection: Connection, incident_id: int, *, now: datetime, priority: str | None = None) -> None:
    """There shall be a ticket, and it is to be brought up to date; at least of this priority where one is given."""
    connection.execute(text(_WANT), {"id": incident_id, "now": now, "priority": priority})


def touch_ticket(connection: Connection, incident_id: int, *, now: datetime) -> bool:
    """Something happened to the incident: its ticket is due, if it has one."""
    return bool(connection.execute(text(_TOUCH + "incident_id = :id"), {"id": incident_id, "now": now}).rowcount)


def touch_key(connection: Connection, key: str, *, now: datetime) -> int | None:
    """Something happened over there: the incident whose ticket is due now; None when the ticket is none of ours."""
    found: int | None = connection.execute(
        text(_TOUCH + "ticket_key = :key RETURNING incident_id"), {"key": key, "now": now}
    ).scalar_one_or_none()
    return found


def hurry_ticket(connection: Connection, incident_id: int, *, now: datetime) -> None:
    """Due now, however long it should have waited after a failure."""
    connection.execute(
        text("UPDATE tickets SET due_at = :now WHERE incident_id = :id AND NOT is_gone"),
        {"id": incident_id, "now": now},
    )


def renew_ticket(connection: Connection, incident_id: int, *, now: datetime) -> bool:
    """Try again at once, whatever failed; a ticket that was deleted over there is made anew. Whether there is such a row."""
    return bool(
        connection.execute(
            text(
                f"UPDATE tickets SET {_RENEWED}, changes = changes + 1, due_at = :now, attempts = 0 WHERE incident_id = :id"
            ),
            {"id": incident_id, "now": now},
        ).rowcount
    )


def claim_due(connection: Connection, *, now: datetime, only: int | None = None) -> Claimed | None:
    """The ticket that has waited longest, or this one; None when nothing is due."""
    lease = now + timedelta(seconds=LEASE_S)
    row: Any = connection.execute(_CLAIM, {"lease": lease, "now": now, "only": only}).one_or_none()
    if row is None:
        return None
    return Claimed(
        incident_id=row.incident_id,
        key=row.ticket_key,
        status=row.status,
        priority=row.priority,
        wanted_priority=row.wanted_priority,
        pushed_state=row.pushed_state,
        told_event_id=row.told_event_id,
        seen_changes=row.seen_changes,
        seen_comment_id=row.seen_comment_id,
        attempts=row.attempts,
        changes=row.changes,
        was_possibly_created=row.was_possibly_created,
        is_failing=row.last_error is not None,
        lease=lease,
    )
