"""On-call overrides as rows, and the answer to "who is on call" from schedules and overrides together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from domain.errors import InputDataError, NotFoundError
from domain.notification.on_call import Override, on_call_at
from domain.notification.planning import OnCall
from domain.notification.rules import NotificationRules
from resources.access.audit_log import AuditLog

_COLUMNS = "override_id, schedule, person, starts_at, ends_at, reason, created_by"


def read_overrides(
    connection: Connection, schedule: str | None = None, *, start: datetime, end: datetime
) -> list[Override]:
    """Overrides that touch [start, end], of one schedule or of all, by their beginning."""
    rows = connection.execute(
        text(
            f"SELECT {_COLUMNS} FROM on_call_overrides WHERE ends_at > :start AND starts_at <= :end"
            " AND (CAST(:schedule AS text) IS NULL OR schedule = :schedule) ORDER BY starts_at, override_id"
        ),
        {"schedule": schedule, "start": start, "end": end},
    ).all()
    return [Override(*row) for row in rows]


def on_call_lookup(connection: Connection, rules: NotificationRules, *, now: datetime) -> OnCall:
    """Who is on call in a schedule at `now`; overrides are read once, at the first question."""
    read: list[Sequence[Override]] = []

    def answer(name: str) -> str | None:
        schedule = rules.schedules.get(name)
        if schedule is None:
            return None
        if not read:
            read.append(read_overrides(connection, start=now, end=now))
        return on_call_at(schedule, now, overrides=[one for one in read[0] if one.schedule == name]).person

    return answer


def add_override(
    connection: Connection,
    rules: NotificationRules,
    *,
    schedule: str,
    person: str,
    starts_at: datetime,
    ends_at: datetime,
    reason: str,
    actor: str,
    now: datetime,
    audit: AuditLog,
) -> Override:
    """Somebody takes over for a while.

    Raises:
        NotFoundError: no such schedule or person. InputDataError: it ends before it begins, or before now.
    """
    check_schedule(rules, schedule)
    if person not in rules.people:
        raise NotFoundError(
            f"there is nobody called {person!r}", suggestion=f"known: {', '.join(sorted(rules.people)) or 'nobody'}"
        )
    if ends_at <= starts_at or ends_at <= now:
        raise InputDataError(
            "an override ends after it begins, and not in the past",
            suggestion="check both instants and their time zone",
        )
    row = connection.execute(
        text(
            "INSERT INTO on_call_overrides (schedule, person, starts_at, ends_at, reason, created_by, created_at)"
            f" VALUES (:schedule, :person, :starts_at, :ends_at, :reason, :actor, :now) RETURNING {_COLUMNS}"
        ),
        {
            "schedule": schedule,
            "person": person,
            "starts_at": starts_at,
            "ends_at": ends_at,
            "reason": reason,
            "actor": actor,
            "now": now,
        },
    ).one()
    _record(connection, audit, actor, row, after=_document(row))
    return Override(*row)


def remove_override(connection: Connection, override_id: int, *, actor: str, audit: AuditLog) -> None:
    """The schedule holds again.

    Raises:
        NotFoundError: no such override.
    """
    row = connection.execute(
        text(f"DELETE FROM on_call_overrides WHERE override_id = :id RETURNING {_COLUMNS}"), {"id": override_id}
    ).one_or_none()
    if row is None:
        raise NotFoundError(
            f"there is no override {override_id}", suggestion="GET /api/v1/on-call/overrides lists them"
        )
    _record(connection, audit, actor, row, before=_document(row))


def check_schedule(rules: NotificationRules, schedule: str) -> None:
    """Raises NotFoundError for a schedule that no rule file has."""
    if schedule not in rules.schedules:
        known = ", ".join(sorted(rules.schedules)) or "none"
        raise NotFoundError(f"there is no on-call schedule {schedule!r}", suggestion=f"known: {known}")


def _document(row: Any) -> dict[str, Any]:
    return {
        "schedule": row.schedule,
        "person": row.person,
        "startsAt": row.starts_at.isoformat(),
        "endsAt": row.ends_at.isoformat(),
        "reason": row.reason,
    }


def _record(connection: Connection, audit: AuditLog, actor: str, row: Any, **change: Any) -> None:
    action = "on-call.override" if "after" in change else "on-call.override-removed"
    audit.record(connection, actor=actor, action=action, resource="on-call", resource_id=str(row.override_id), **change)
