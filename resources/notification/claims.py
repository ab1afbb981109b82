"""Claiming due messages of one channel: bundled first, as many as the channel's rate allows, held until a lease ends (H7).

One transaction under one lock per channel, so that workers never take a message, a token or a bundle twice. A worker that dies
holds its messages until their lease ends; the next one sends them again under the same key and says "possibly repeated".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from domain.notification.message import Channel, MessageKind
from domain.notification.rules import NotificationRules
from domain.notification.tiers import ChannelRules
from domain.vocabulary import Severity
from resources.notification.storms import bundle_storms

_LOCK_SPACE = 7_305
_CLAIM = text(
    "UPDATE outbox AS o SET locked_until = :lease, attempts = o.attempts + 1, is_possibly_sent = true FROM ("
    "SELECT message_id, is_possibly_sent FROM outbox WHERE state = 'PENDING' AND due_at <= :now AND channel = :channel"
    " AND (locked_until IS NULL OR locked_until <= :now) AND (CAST(:only AS bigint) IS NULL OR message_id = :only)"
    " ORDER BY array_position(ARRAY['CRITICAL', 'HIGH', 'MEDIUM', 'LOW'], severity), due_at, message_id"
    " LIMIT :limit FOR UPDATE SKIP LOCKED) AS due WHERE o.message_id = due.message_id"
    " RETURNING o.*, due.is_possibly_sent AS was_possibly_sent"
)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that this worker may send until its lease ends. `attempt` counts from 1 and tells claims of one row apart."""

    message_id: int
    idempotency_key: str
    incident_id: int | None
    kind: MessageKind
    channel: Channel
    recipient: str
    severity: Severity
    is_drill: bool
    facts: dict[str, Any]
    cause: str
    attempt: int
    is_possibly_repeated: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim took, and how many messages went into bundles."""

    messages: list[Claimed]
    summarised: int


def due_channels(connection: Connection, *, now: datetime, only: int | None = None) -> list[Channel]:
    """Channels with something to do, most urgent first."""
    rows = connection.execute(
        text(
            "SELECT channel FROM outbox WHERE state = 'PENDING' AND due_at <= :now AND channel = ANY(:channels)"
            " AND (locked_until IS NULL OR locked_until <= :now) AND (CAST(:only AS bigint) IS NULL OR message_id = :only) GROUP BY channel"
            " ORDER BY min(array_position(ARRAY['CRITICAL', 'HIGH', 'MEDIUM', 'LOW'], severity)), min(due_at)"
        ),
        {"now": now, "channels": [one.value for one in Channel], "only": only},
    ).scalars()
    return [Channel(one) for one in rows]


def claim_due(
    connection: Connection,
    rules: NotificationRules,
    channel: Channel,
    *,
    now: datetime,
    limit: int,
    only: int | None = None,
) -> Claim:
    """Up to `limit` messages, CRITICAL first. `only` one message: neither bundled nor counted against the rate."""
    number = list(Channel).index(channel)
    connection.execute(text("SELECT pg_advisory_xact_lock(:space, :number)"), {"space": _LOCK_SPACE, "number": number})
    treated = rules.channel(channel)
    summarised = 0
    if only is None:
        summarised = bundle_storms(connection, rules, channel, now=now)
        limit = min(limit, _available(connection, channel, treated, now))
    if limit <= 0:
        return Claim([], summarised)
    lease = now + timedelta(seconds=2 * treated.timeout_s + 30)
    values = {"lease": lease, "now": now, "channel": channel.value, "limit": limit, "only": only}
    rows = connection.execute(_CLAIM, values).all()
    if only is None:
        connection.execute(
            text("UPDATE channel_rates SET tokens = tokens - :taken WHERE channel = :channel"),
            {"taken": len(rows), "channel": channel.value},
        )
    order = list(Severity)
    taken = sorted(
        (claimed(row, is_possibly_repeated=row.was_possibly_sent) for row in rows),
        key=lambda one: (order.index(one.severity), one.message_id),
    )
    return Claim(taken, summarised)


def _available(connection: Connection, channel: Channel, treated: ChannelRules, now: datetime) -> int:
    """Whole tokens in the channel's bucket now; it holds a quarter of a minute's worth, at least one."""
    size = max(1.0, treated.per_minute / 4)
    tokens = connection.execute(
        text(
            "INSERT INTO channel_rates AS r (channel, tokens, updated_at) VALUES (:channel, :size, :now) ON CONFLICT (channel)"
            " DO UPDATE SET tokens = least(:size, r.tokens + :rate"
            " * greatest(0, extract(epoch FROM CAST(:now AS timestamptz) - r.updated_at))),"
            " updated_at = greatest(r.updated_at, CAST(:now AS timestamptz)) RETURNING tokens"
        ),
        {"channel": channel.value, "size": size, "now": now, "rate": treated.per_minute / 60},
    ).scalar_one()
    return int(tokens + 1e-9)


def claimed(row: Any, *, is_possibly_repeated: bool) -> Claimed:
    """A row of the outbox as whoever holds it sees it."""
    return Claimed(
        message_id=row.message_id,
        idempotency_key=row.idempotency_key,
        incident_id=row.incident_id,
        kind=MessageKind(row.kind),
        channel=Channel(row.channel),
        recipient=row.recipient,
        severity=Severity(row.severity),
        is_drill=row.is_drill,
        facts=row.payload["facts"],
        cause=row.payload["cause"],
        attempt=row.attempts,
        is_possibly_repeated=is_possibly_repeated,
        created_at=row.created_at,
    )
