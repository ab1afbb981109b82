"""Deliveries of Alertmanager: each body once, in one transaction with the incidents that follow (E4)."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from domain.detection.alert_event import AlertEvent, AlertStatus
from domain.detection.alertmanager import AlertmanagerMessage, events_of_message
from domain.detection.correlation import CorrelationPolicy
from resources.alerts.desk import AlertDesk, Received
from resources.alerts.rows import hold_alerts, read_alerts

#: Alertmanager repeats what fires every few hours, word for word; what comes again sooner is a retry.
_SAME = timedelta(minutes=30)
_SKEW = timedelta(seconds=60)


def receive_message(
    connection: Connection, desk: AlertDesk, policy: CorrelationPolicy, message: AlertmanagerMessage, *, now: datetime
) -> Received | None:
    """None where the same message was handled a short while ago."""
    digest = hashlib.blake2b(message.model_dump_json().encode(), digest_size=16).hexdigest()
    is_new = connection.execute(
        text(
            "INSERT INTO inbound_deliveries (source, delivery_id, received_at, outcome) VALUES ('alertmanager', :id, :now, :outcome)"
            " ON CONFLICT (source, delivery_id) DO UPDATE SET received_at = excluded.received_at"
            " WHERE inbound_deliveries.received_at < :oldest"
        ),
        {"id": digest, "now": now, "outcome": f"{len(message.alerts)} alerts", "oldest": now - _SAME},
    ).rowcount
    if not is_new:
        return None
    hold_alerts(connection)
    events = events_of_message(message, now=now, severities=policy.severities)
    return desk.receive(connection, _within(connection, events), now=now)


def _within(connection: Connection, events: list[AlertEvent]) -> list[AlertEvent]:
    """An end that lies a moment before the beginning we know (clocks, rounding of who posted it) ends it all the same."""
    ends = [event.fingerprint for event in events if event.status is AlertStatus.RESOLVED]
    firing = read_alerts(connection, "a.status = 'FIRING' AND a.fingerprint = ANY(:some)", {"some": ends})
    known = {row.fingerprint: row.last_seen_at for row in firing}
    answer = []
    for event in events:
        last = known.get(event.fingerprint) if event.status is AlertStatus.RESOLVED else None
        is_before = last is not None and last - _SKEW <= event.at < last
        answer.append(replace(event, at=last) if last is not None and is_before else event)
    return answer
