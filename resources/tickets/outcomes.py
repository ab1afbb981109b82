"""What became of a claimed ticket, in its row. Whoever has lost his lease records nothing: every statement asks for it (H1, H7)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from domain.tickets.ticket import News, Ticket
from resources.tickets.rows import Claimed

_MAX_ERROR = 500
_MINE = "incident_id = :id AND locked_until = :lease"


def _record(connection: Connection, one: Claimed, assignments: str, **values: Any) -> bool:
    statement = text(f"UPDATE tickets SET {assignments} WHERE {_MINE}")
    return bool(connection.execute(statement, {"id": one.incident_id, "lease": one.lease, **values}).rowcount)


def record_created(connection: Connection, one: Claimed, ticket: Ticket, *, priority: str | None) -> bool:
    """It exists now; what it was created with is known to be there."""
    return _record(
        connection,
        one,
        "ticket_key = :key, ticket_id = :ticket_id, priority = :priority, pushed_state = 'OPEN', seen_changes = 0,"
        " seen_comment_id = 0, is_possibly_created = false",
        key=ticket.key,
        ticket_id=ticket.ticket_id,
        priority=priority,
    )


def record_news(connection: Connection, one: Claimed, news: News) -> bool:
    """What is over there is known here."""
    return _record(
        connection,
        one,
        "ticket_key = :key, ticket_id = :ticket_id, status = :status, last_seen_hash = :hash, seen_changes = :seen_changes,"
        " seen_comment_id = greatest(seen_comment_id, :seen_comment_id)",
        key=news.ticket.key,
        ticket_id=news.ticket.ticket_id,
        status=news.ticket.status,
        hash=news.ticket.fingerprint,
        seen_changes=news.seen_changes,
        seen_comment_id=max((remark.remark_id for remark in news.remarks), default=0),
    )


def record_told(connection: Connection, one: Claimed, *, event_id: int) -> None:
    """The timeline up to this entry is told over there."""
    _record(connection, one, "told_event_id = greatest(told_event_id, :event_id)", event_id=event_id)


def record_priority(connection: Connection, one: Claimed, *, priority: str) -> None:
    """It has this priority."""
    _record(connection, one, "priority = :priority", priority=priority)


def record_moved(connection: Connection, one: Claimed, *, state: str | None, status: str) -> None:
    """It has a status that stands for the state; None: on the way there."""
    _record(
        connection,
        one,
        "pushed_state = coalesce(CAST(:state AS text), pushed_state), status = :status",
        state=state,
        status=status,
    )


def record_done(connection: Connection, one: Claimed, *, now: datetime, is_more: bool) -> None:
    """Everything is as it should be; what came meanwhile, or what is left, is due at once."""
    _record(
        connection,
        one,
        "locked_until = NULL, attempts = 0, last_error = NULL, synced_at = :now, is_possibly_created = false,"
        " due_at = CASE WHEN changes > :changes OR :is_more THEN :now END",
        now=now,
        changes=one.changes,
        is_more=is_more,
    )


def record_failed(
    connection: Connection, one: Claimed, *, reason: str, due_at: datetime, is_unsent: bool, is_attempt: bool = True
) -> bool:
    """Again later. `is_unsent`: this try certainly created nothing."""
    return _record(
        connection,
        one,
        "locked_until = NULL, last_error = :reason, due_at = :due_at, attempts = attempts - :back,"
        " is_possibly_created = CASE WHEN :is_unsent THEN :was ELSE is_possibly_created END",
        reason=reason[:_MAX_ERROR],
        due_at=due_at,
        back=0 if is_attempt else 1,
        is_unsent=is_unsent,
        was=one.was_possibly_created,
    )


def record_gone(connection: Connection, one: Claimed, *, reason: str, now: datetime) -> bool:
    """It was deleted over there: nothing is done any more until somebody asks for it."""
    return _record(
        connection,
        one,
        "locked_until = NULL, last_error = :reason, due_at = NULL, is_gone = true, status = 'DELETED', synced_at = :now",
        reason=reason[:_MAX_ERROR],
        now=now,
    )
