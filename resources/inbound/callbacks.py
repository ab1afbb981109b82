"""What a provider reports after it took a message: delivered, or not after all. Then the outbox tries again or falls back (H3, H4)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from domain.notification.message import DeliveryDelayedError, DeliveryRefusedError
from domain.notification.rules import NotificationRules
from resources.notification.claims import claimed
from resources.notification.outcomes import record_dead, record_delay
from resources.notification.paging import write_note

#: Seconds until somebody who did not answer is called again, and how often at most.
_AGAIN_S = 60
_CALLS = 2


def read_message(connection: Connection, message_id: int, *, lock: bool = False) -> Any | None:
    """The row of the outbox; None when there is none."""
    suffix = " FOR UPDATE" if lock else ""
    return connection.execute(
        text(f"SELECT * FROM outbox WHERE message_id = :id{suffix}"), {"id": message_id}
    ).one_or_none()


def record_taken(
    connection: Connection, message_id: int, provider_id: str, *, is_delivered: bool, now: datetime
) -> bool:
    """The provider has it, or it reached the recipient; whether that was news.

    A report may come before the sender has noted that it sent, or from the attempt of a sender that died: nothing is sent again.
    """
    return bool(
        connection.execute(
            text(
                "UPDATE outbox SET state = :state, provider_id = :provider, sent_at = coalesce(sent_at, :now), due_at = NULL,"
                " locked_until = NULL, is_possibly_sent = false WHERE message_id = :id"
                " AND ((state = 'SENT' AND provider_id = :provider AND :state = 'DELIVERED')"
                " OR (state = 'PENDING' AND is_possibly_sent AND provider_id IS DISTINCT FROM :provider))"
            ),
            {
                "id": message_id,
                "provider": provider_id,
                "state": "DELIVERED" if is_delivered else "SENT",
                "now": now,
            },
        ).rowcount
    )


def record_failure(
    connection: Connection,
    rules: Callable[[], NotificationRules],
    message_id: int,
    provider_id: str,
    *,
    why: str,
    is_final: bool,
    now: datetime,
) -> str:
    """It did not reach the recipient: "again", "dead", or "ignored" when the report is about another try or came twice."""
    row = read_message(connection, message_id)
    if row is None:
        return "ignored"
    if row.incident_id is not None:  # before the message: whoever acts on an incident locks in this order too
        connection.execute(
            text("SELECT 1 FROM incidents WHERE incident_id = :id FOR KEY SHARE"), {"id": row.incident_id}
        )
    row = read_message(connection, message_id, lock=True)
    if row is None:
        return "ignored"
    is_early = row.state == "PENDING" and row.locked_until is not None and row.locked_until > now
    is_early = is_early and row.provider_id != provider_id  # its sender has not noted yet that it went out
    if not is_early and (row.state != "SENT" or row.provider_id != provider_id):
        return "ignored"
    connection.execute(text("UPDATE outbox SET state = 'PENDING' WHERE message_id = :id"), {"id": message_id})
    one = claimed(row, is_possibly_repeated=False)
    words = f"{one.channel.value} to {one.recipient}: {why}"
    if row.incident_id is not None:
        detail = {"channel": one.channel.value, "to": one.recipient, "reason": why}
        write_note(connection, row.incident_id, kind="not-reached", detail=detail, now=now)
    if is_final or is_early or one.attempt >= _CALLS:
        error = DeliveryRefusedError(words, suggestion="the fallback channel is used")
        record_dead(connection, rules(), one, error, now=now)
        return "dead"
    delay = DeliveryDelayedError(words, suggestion="it is tried again", is_certain=True)
    record_delay(connection, one, delay, due_at=now + timedelta(seconds=_AGAIN_S))
    return "again"
