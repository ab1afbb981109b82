"""The outbox: messages are rows, written in the transaction of their cause (H7). Reading, cancelling and replaying them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from domain.errors import ConflictError, NotFoundError
from domain.notification.message import Channel, MessageKind
from domain.notification.planning import Planned
from domain.vocabulary import Severity
from resources.access.audit_log import AuditLog
from resources.json_logs import current_correlation_id

STATES = ("PENDING", "SENT", "DELIVERED", "DEAD", "CANCELLED", "SUMMARISED")
_INSERT = text(
    "INSERT INTO outbox (idempotency_key, incident_id, kind, channel, recipient, severity, is_drill, payload, due_at, fallback_of,"
    " created_at, correlation_id) SELECT one.key, :incident_id, :kind, one.channel, one.recipient, :severity, :is_drill,"
    " CAST(one.payload AS jsonb), :now, :fallback_of, :now, :correlation_id"
    " FROM unnest(CAST(:keys AS text[]), CAST(:channels AS text[]), CAST(:recipients AS text[]), CAST(:payloads AS text[]))"
    " AS one (key, channel, recipient, payload) ON CONFLICT (idempotency_key) DO NOTHING RETURNING message_id"
)


@dataclass(frozen=True, slots=True)
class Cause:
    """What messages are about."""

    kind: MessageKind
    severity: Severity
    facts: Mapping[str, Any]
    incident_id: int | None = None
    is_drill: bool = False


def write_messages(
    connection: Connection, cause: Cause, planned: Sequence[Planned], *, now: datetime, fallback_of: int | None = None
) -> list[int]:
    """Rows for what is not there yet; the numbers of the new ones. A key that exists already is left as it is."""
    if not planned:
        return []
    payloads = [
        json.dumps({"facts": cause.facts, "cause": one.cause, "note": one.note}, default=str) for one in planned
    ]
    values = {
        "incident_id": cause.incident_id,
        "kind": cause.kind.value,
        "severity": cause.severity.value,
        "is_drill": cause.is_drill,
        "now": now,
        "fallback_of": fallback_of,
        "correlation_id": current_correlation_id(),
        "keys": [one.key for one in planned],
        "channels": [one.channel.value for one in planned],
        "recipients": [one.recipient for one in planned],
        "payloads": payloads,
    }
    return list(connection.execute(_INSERT, values).scalars())


def cancel_messages(
    connection: Connection,
    incident_id: int,
    *,
    kinds: Iterable[MessageKind],
    channels: Iterable[Channel],
    reason: str,
    now: datetime,
) -> int:
    """Take back what waits and is of one of these kinds or channels; how many. What a sender holds already goes out.

    A ticket that somebody asked for is made all the same.
    """
    return connection.execute(
        text(
            "UPDATE outbox SET state = 'CANCELLED', last_error = :reason, due_at = NULL WHERE message_id IN ("
            "SELECT message_id FROM outbox WHERE incident_id = :id AND state = 'PENDING' AND channel <> 'jira' AND (kind = ANY(:kinds)"
            " OR (channel = ANY(:channels) AND kind IN ('opened', 'escalated'))) AND (locked_until IS NULL OR locked_until <= :now)"
            " FOR UPDATE SKIP LOCKED)"
        ),
        {
            "id": incident_id,
            "kinds": [one.value for one in kinds],
            "channels": [one.value for one in channels],
            "reason": reason,
            "now": now,
        },
    ).rowcount


def list_messages(
    connection: Connection,
    *,
    state: str | None = None,
    incident_id: int | None = None,
    channel: str | None = None,
    limit: int = 100,
    offset: int = 0,
) -> tuple[list[Any], int]:
    """Rows, newest first, and how many there are in all."""
    where = (
        "WHERE (CAST(:state AS text) IS NULL OR state = :state) AND (CAST(:channel AS text) IS NULL OR channel = :channel)"
        " AND (CAST(:incident AS bigint) IS NULL OR incident_id = :incident)"
    )
    values = {"state": state, "incident": incident_id, "channel": channel, "limit": limit, "offset": offset}
    total = connection.execute(text(f"SELECT count(*) FROM outbox {where}"), values).scalar_one()
    rows = connection.execute(
        text(f"SELECT * FROM outbox {where} ORDER BY message_id DESC LIMIT :limit OFFSET :offset"), values
    ).all()
    return list(rows), total


def read_message(connection: Connection, message_id: int) -> Any:
    """One row.

    Raises:
        NotFoundError: no such message.
    """
    row = connection.execute(text("SELECT * FROM outbox WHERE message_id = :id"), {"id": message_id}).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no message {message_id}", suggestion="`etlmon notify list` shows the newest")
    return row


def replay_message(connection: Connection, message_id: int, *, actor: str, now: datetime, audit: AuditLog) -> Any:
    """A dead letter is tried again from the beginning, under its old key; the row afterwards.

    Raises:
        NotFoundError: no such message. ConflictError: it is not dead.
    """
    row = connection.execute(
        text("SELECT * FROM outbox WHERE message_id = :id FOR UPDATE"), {"id": message_id}
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no message {message_id}", suggestion="`etlmon notify dead` lists dead letters")
    if row.state != "DEAD":
        raise ConflictError(
            f"message {message_id} is {row.state}, not DEAD", suggestion="only dead letters can be replayed"
        )
    after = connection.execute(
        text(
            "UPDATE outbox SET state = 'PENDING', attempts = 0, due_at = :now, locked_until = NULL WHERE message_id = :id RETURNING *"
        ),
        {"id": message_id, "now": now},
    ).one()
    audit.record(
        connection,
        actor=actor,
        action="message.replay",
        resource="messages",
        resource_id=str(message_id),
        before={"state": row.state, "lastError": row.last_error},
        after={"state": after.state},
    )
    return after
