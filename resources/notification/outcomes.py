"""What became of an attempt, in the outbox: sent, again later, or dead with its fallback. One transaction each."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from domain.errors import EtlmonError
from domain.notification.message import DeliveryRefusedError, MessageKind, Receipt
from domain.notification.planning import Planned, next_channel
from domain.notification.rules import NotificationRules
from domain.vocabulary import Severity
from resources.notification.claims import Claimed
from resources.notification.outbox import Cause, write_messages
from resources.notification.paging import write_note
from resources.secret_registry import mask_secrets

_FALLBACKS = 491_823_320
_PAGES = {MessageKind.OPENED, MessageKind.ESCALATED, MessageKind.STORM}
_MINE = "message_id = :id AND state = 'PENDING' AND attempts = :attempt"
_MAX_ERROR = 500


def record_sent(connection: Connection, one: Claimed, receipt: Receipt, *, now: datetime) -> None:
    """The provider has it; true whatever happened to the row meanwhile."""
    connection.execute(
        text(
            "UPDATE outbox SET state = :state, provider_id = :provider_id, sent_at = :now, due_at = NULL, locked_until = NULL,"
            " is_possibly_sent = false, last_error = NULL WHERE message_id = :id AND state NOT IN ('SENT', 'DELIVERED')"
        ),
        {
            "id": one.message_id,
            "state": "DELIVERED" if receipt.is_delivered else "SENT",
            "provider_id": receipt.provider_id,
            "now": now,
        },
    )


def record_delay(
    connection: Connection, one: Claimed, error: EtlmonError, *, due_at: datetime, is_attempt: bool = True
) -> None:
    """Again later. Not an attempt: nothing was sent at all, so it counts for nothing.

    Whether an attempt may have gone out is what the error says (`is_certain` in its context: it did not).
    """
    is_possibly_sent = one.is_possibly_repeated if not is_attempt else not error.context.get("is_certain", False)
    connection.execute(
        text(
            "UPDATE outbox SET due_at = :due_at, locked_until = NULL, last_error = :error, attempts = attempts - :back,"
            f" is_possibly_sent = :is_possibly_sent WHERE {_MINE}"
        ),
        {
            "id": one.message_id,
            "attempt": one.attempt,
            "due_at": due_at,
            "back": 0 if is_attempt else 1,
            "error": words_of(error),
            "is_possibly_sent": is_possibly_sent,
        },
    )


def hold_fallbacks(connection: Connection, incident_id: int) -> None:
    """Channels that give up at once write fallbacks one after another: two that fall back to each other would lock crosswise."""
    connection.execute(
        text("SELECT pg_advisory_xact_lock(:space, :id)"), {"space": _FALLBACKS, "id": incident_id % 2**31}
    )


def record_dead(
    connection: Connection, rules: NotificationRules, one: Claimed, error: EtlmonError, *, now: datetime
) -> bool:
    """It will not go out by this channel: a dead letter, and its fallback. Whether there is a fallback."""
    if one.incident_id is not None:  # before the row itself: whoever acts on an incident locks in this order too
        connection.execute(
            text("SELECT 1 FROM incidents WHERE incident_id = :id FOR KEY SHARE"), {"id": one.incident_id}
        )
        hold_fallbacks(connection, one.incident_id)
    is_mine = connection.execute(
        text(
            "UPDATE outbox SET state = 'DEAD', due_at = NULL, locked_until = NULL, last_error = :error,"
            f" is_possibly_sent = :is_possibly_sent WHERE {_MINE}"
        ),
        {
            "id": one.message_id,
            "attempt": one.attempt,
            "error": words_of(error),
            "is_possibly_sent": not isinstance(error, DeliveryRefusedError),
        },
    ).rowcount
    if not is_mine:
        return False
    has_fallback = write_fallback(connection, rules, one, words_of(error), now=now)
    if one.incident_id is not None:
        detail = {
            "channel": one.channel.value,
            "to": one.recipient,
            "reason": words_of(error),
            "fallback": has_fallback,
        }
        write_note(connection, one.incident_id, kind="delivery-failed", detail=detail, now=now)
        if not has_fallback and one.kind in _PAGES:
            _hurry(connection, one, now)
    return has_fallback


def write_fallback(
    connection: Connection, rules: NotificationRules, one: Claimed, reason: str, *, now: datetime
) -> bool:
    """The same message through the first fallback channel that has an address and is not dead itself; whether there is one."""
    if one.kind is MessageKind.TEST:
        return False
    for channel in next_channel(rules, one.recipient, one.channel):
        planned = Planned(one.cause, channel, one.recipient, f"instead of {one.channel.value}: {reason}")
        facts = {**one.facts, "instead_of": one.channel.value}
        cause = Cause(one.kind, one.severity, facts, one.incident_id, one.is_drill)
        if write_messages(connection, cause, [planned], now=now, fallback_of=one.message_id):
            return True
        state = connection.execute(
            text("SELECT state FROM outbox WHERE idempotency_key = :key"), {"key": planned.key}
        ).scalar_one()
        if state != "DEAD":
            return True
    return False


def fallback_while_open(
    connection: Connection, rules: NotificationRules, one: Claimed, error: EtlmonError, *, now: datetime
) -> bool:
    """A channel that is not asked at all: what pages somebody goes through the fallback at once, and keeps its turn here."""
    is_page = one.kind in _PAGES and one.severity in {Severity.CRITICAL, Severity.HIGH}
    if is_page and one.incident_id is not None:
        hold_fallbacks(connection, one.incident_id)
    return is_page and write_fallback(connection, rules, one, words_of(error), now=now)


def retry_after_break(error: EtlmonError, *, now: datetime) -> datetime:
    """When an open breaker lets somebody try again."""
    at = error.context.get("retry_at")
    return max(now + timedelta(seconds=1), datetime.fromisoformat(at)) if at else now + timedelta(seconds=10)


def words_of(error: EtlmonError) -> str:
    """For people; without numbers, addresses and tokens."""
    return mask_secrets(f"{error.error_type}: {error.reason}")[:_MAX_ERROR]


def _hurry(connection: Connection, one: Claimed, now: datetime) -> None:
    """Nothing else of this cause reaches that recipient: escalate at once instead of waiting for an answer."""
    connection.execute(
        text(
            "UPDATE escalations SET due_at = least(due_at, :now) WHERE incident_id = :id AND due_at IS NOT NULL AND NOT EXISTS ("
            "SELECT 1 FROM outbox WHERE incident_id = :id AND recipient = :recipient AND payload ->> 'cause' = :cause"
            " AND state IN ('PENDING', 'SENT', 'DELIVERED', 'SUMMARISED'))"
        ),
        {"id": one.incident_id, "recipient": one.recipient, "cause": one.cause, "now": now},
    )
