"""Bundling what waits for one recipient into few messages, inside the transaction that claims."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from domain.notification.message import Channel, MessageKind
from domain.notification.planning import Planned
from domain.notification.rules import NotificationRules
from domain.notification.storm import Bundled, Lane, LaneFate, compose_bundles, decide_lane
from domain.vocabulary import Severity
from resources.notification.outbox import Cause, write_messages

#: What may be told in a bundle. Details, tests and bundles themselves were asked for one by one.
_KINDS = ["opened", "escalated", "updated", "acknowledged", "resolved", "sla-warning"]
_WAITING = (
    "o.state = 'PENDING' AND o.due_at <= :now AND (o.locked_until IS NULL OR o.locked_until <= :now) AND o.attempts = 0"
    " AND o.channel = :channel AND o.kind = ANY(:kinds)"
)
_LANE = "o.recipient = :recipient AND o.is_drill = :is_drill AND (o.severity = 'CRITICAL') = :is_critical"
_LANES = text(
    "WITH lanes AS (SELECT recipient, is_drill, severity = 'CRITICAL' AS is_critical, count(*) AS waiting FROM outbox AS o"
    f" WHERE {_WAITING} GROUP BY 1, 2, 3)"
    " SELECT lanes.*, recent.singles, recent.bundled_at FROM lanes CROSS JOIN LATERAL ("
    "SELECT count(*) FILTER (WHERE o.kind = ANY(:kinds) AND o.fallback_of IS NULL) AS singles,"
    " max(o.created_at) FILTER (WHERE o.kind = 'storm') AS bundled_at FROM outbox AS o"
    " WHERE o.channel = :channel AND o.recipient = lanes.recipient AND o.is_drill = lanes.is_drill"
    " AND (o.severity = 'CRITICAL') = lanes.is_critical AND (o.sent_at > :since OR (o.state = 'PENDING' AND (o.locked_until > :now"
    " OR o.attempts > 0 OR o.kind = 'storm')))) AS recent"
)


def bundle_storms(connection: Connection, rules: NotificationRules, channel: Channel, *, now: datetime) -> int:
    """Decide about every lane of a channel; how many messages went into bundles. Callers hold the lock of claiming."""
    since = now - timedelta(seconds=rules.storm.window_s)
    values: dict[str, Any] = {"now": now, "channel": channel.value, "kinds": _KINDS, "since": since}
    bundled = 0
    for row in connection.execute(_LANES, values).all():
        lane = Lane(row.waiting, row.singles, row.bundled_at)
        fate, next_at = decide_lane(lane, rules.storm, now=now)
        if fate is LaneFate.SINGLE:
            continue
        where = {**values, "recipient": row.recipient, "is_drill": row.is_drill, "is_critical": row.is_critical}
        if fate is LaneFate.HOLD:
            _hold(connection, where, next_at)
        else:
            bundled += _bundle(connection, rules, channel, where)
    return bundled


def _hold(connection: Connection, where: dict[str, Any], next_at: datetime) -> None:
    connection.execute(
        text(
            "UPDATE outbox SET due_at = :next_at WHERE message_id IN ("
            f"SELECT message_id FROM outbox AS o WHERE {_WAITING} AND {_LANE} FOR UPDATE SKIP LOCKED)"
        ),
        {**where, "next_at": next_at},
    )


def _bundle(connection: Connection, rules: NotificationRules, channel: Channel, where: dict[str, Any]) -> int:
    rows = connection.execute(
        text(
            f"SELECT message_id, severity, payload -> 'facts' AS facts FROM outbox AS o WHERE {_WAITING} AND {_LANE}"
            " ORDER BY message_id FOR UPDATE SKIP LOCKED"
        ),
        where,
    ).all()
    if not rows:
        return 0
    messages = [Bundled(row.message_id, Severity(row.severity), row.facts) for row in rows]
    span = f"{rows[0].message_id}-{rows[-1].message_id}"
    for numbers, severity, facts in compose_bundles(messages, rules.channel(channel), rules.storm):
        planned = Planned(f"storm:{span}.{facts['part']}", channel, where["recipient"])
        cause = Cause(MessageKind.STORM, severity, {**facts, "is_drill": where["is_drill"]}, is_drill=where["is_drill"])
        written = write_messages(connection, cause, [planned], now=where["now"])
        connection.execute(
            text(
                "UPDATE outbox SET state = 'SUMMARISED', due_at = NULL, payload = payload || CAST(:note AS jsonb)"
                " WHERE message_id = ANY(:numbers)"
            ),
            {"numbers": numbers, "note": json.dumps({"summarised_in": written[0] if written else None})},
        )
    return len(messages)
