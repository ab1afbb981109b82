"""Delivery: claims due messages, hands them to the channels outside of any transaction, records what came of it (H7).

Each channel has a thread, a rate and a breaker of its own: one that hangs delays no other.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, text

from domain.errors import CircuitOpenError, EtlmonError
from domain.notification.message import Channel, DeliveryDelayedError, DeliveryRefusedError, Message, Receipt
from domain.notification.rules import NotificationRules
from domain.ports import MessageChannel, SearchableChannel
from resources.breakers import Breakers, process_breakers
from resources.json_logs import get_logger
from resources.notification.claims import Claimed, claim_due, due_channels
from resources.notification.outcomes import (
    fallback_while_open,
    record_dead,
    record_delay,
    record_sent,
    retry_after_break,
    words_of,
)
from resources.postgres.engine import transaction

#: (incident, recipient, instant) → the link that acknowledges in that person's name.
AckLink = Callable[[int, str, datetime], str]


@dataclass(frozen=True, slots=True)
class Delivered:
    """What one call did, in messages. `put_back`: the channel's breaker is open."""

    sent: int = 0
    delayed: int = 0
    dead: int = 0
    put_back: int = 0
    summarised: int = 0


@dataclass(frozen=True, slots=True)
class _Turn:
    """One call of `deliver_due`, as every channel's thread sees it."""

    rules: NotificationRules
    clock: Callable[[], datetime]
    limit: int
    until: datetime
    only: int | None


class Delivery:
    """Sends through the adapters it is given. `observe` hears of each step ("claimed", "sending", "sent" ...) before the next."""

    def __init__(
        self,
        engine: Engine,
        channels: Mapping[Channel, MessageChannel],
        rules: Callable[[], NotificationRules],
        *,
        ack_link: AckLink | None = None,
        breakers: Breakers | None = None,
        timer: Callable[[], float] = time.monotonic,
        observe: Callable[[str], None] = lambda _: None,
        at_once: int = 4,
    ) -> None:
        self._engine = engine
        self._channels = channels
        self._rules = rules
        self._ack_link = ack_link
        self._breakers = breakers or process_breakers()
        self._timer = timer
        self._observe = observe
        self._at_once = at_once

    def deliver_due(
        self, *, now: datetime, limit: int = 1_000, budget_s: float = 20.0, only: int | None = None
    ) -> Delivered:
        """Send what is due, at most `limit` per channel, beginning nothing after `budget_s`. Workers may run side by side.

        `only` this message, past bundles and rates: for tests by hand.
        """
        rules, began = self._rules(), self._timer()
        with transaction(self._engine) as connection:
            connection.execute(
                text(
                    "INSERT INTO detection_marks (name, evaluated_until) VALUES ('delivery', :now) ON CONFLICT (name)"
                    " DO UPDATE SET evaluated_until = greatest(detection_marks.evaluated_until, excluded.evaluated_until)"
                ),
                {"now": now},
            )
            due = due_channels(connection, now=now, only=only)
        if not due:
            return Delivered()

        def clock() -> datetime:
            return now + timedelta(seconds=self._timer() - began)

        turn = _Turn(rules, clock, limit, now + timedelta(seconds=budget_s), only)
        with ThreadPoolExecutor(len(due), thread_name_prefix="deliver") as threads:
            counts = sum(threads.map(lambda channel: self._drain(channel, turn), due), Counter[str]())
        return Delivered(**{name: counts[name] for name in Delivered.__dataclass_fields__})

    def _drain(self, channel: Channel, turn: _Turn) -> Counter[str]:
        counts: Counter[str] = Counter()
        taken = 0
        with ThreadPoolExecutor(self._at_once, thread_name_prefix=channel.value) as threads:
            while taken < turn.limit and turn.clock() <= turn.until:
                room = min(self._at_once, turn.limit - taken)
                with transaction(self._engine) as connection:
                    claim = claim_due(connection, turn.rules, channel, now=turn.clock(), limit=room, only=turn.only)
                    self._observe("claiming")
                self._observe("claimed")
                counts["summarised"] += claim.summarised
                if not claim.messages:
                    break
                taken += len(claim.messages)
                counts.update(threads.map(lambda one: self._deliver(turn.rules, one, turn.clock), claim.messages))
        return counts

    def _deliver(self, rules: NotificationRules, one: Claimed, clock: Callable[[], datetime]) -> str:
        """One message; the field of `Delivered` that it counts for. Never raises for what a channel does."""
        try:
            receipt = self._send(rules, one, clock())
        except EtlmonError as error:
            return self._fail(rules, one, error, clock())
        except Exception as error:  # noqa: BLE001 - a defect of one adapter must not hold up the messages behind it
            words = f"the adapter of {one.channel.value} failed: {type(error).__name__}"
            return self._fail(rules, one, DeliveryDelayedError(words, suggestion="a defect, please report it"), clock())
        self._observe("sent")
        with transaction(self._engine) as connection:
            record_sent(connection, one, receipt, now=clock())
            self._observe("recording")
        self._observe("recorded")
        return "sent"

    def _send(self, rules: NotificationRules, one: Claimed, now: datetime) -> Receipt:
        address, adapter = rules.address_of(one.recipient, one.channel), self._channels.get(one.channel)
        if address is None:
            raise DeliveryRefusedError(
                f"{one.recipient} has no address for {one.channel.value}", suggestion="add it under rules/notification"
            )
        if adapter is None:
            raise DeliveryRefusedError(
                f"no provider is set up for {one.channel.value}", suggestion="`etlmon doctor` says what is missing"
            )
        message = self._message(one, address, now)
        self._observe("sending")
        delayed: DeliveryDelayedError | DeliveryRefusedError
        with self._breakers.guard(f"channel {one.channel.value}"):
            try:
                found = self._find(adapter, message) if one.is_possibly_repeated else None
                return found or adapter.send(message)
            except DeliveryDelayedError as error:
                if error.context.get("retry_after_s") is None:
                    raise
                delayed = error  # asked to slow down: the channel works
            except DeliveryRefusedError as error:
                delayed = error
        raise delayed

    @staticmethod
    def _find(adapter: MessageChannel, message: Message) -> Receipt | None:
        """What the provider has of it already. Where it does not say, the message goes out, marked as possibly repeated."""
        if not isinstance(adapter, SearchableChannel):
            return None
        try:
            return adapter.find(message)
        except EtlmonError as error:
            get_logger(__name__).info(
                "not known whether the provider has it", messageId=message.message_id, reason=words_of(error)
            )
            return None

    def _message(self, one: Claimed, address: str, now: datetime) -> Message:
        facts = dict(one.facts)
        if one.incident_id is not None and self._ack_link is not None:
            facts["ack_url"] = self._ack_link(one.incident_id, one.recipient, now)
        if one.is_possibly_repeated:
            facts["possibly_repeated"] = True
        return Message(
            message_id=one.message_id,
            idempotency_key=one.idempotency_key,
            kind=one.kind,
            channel=one.channel,
            recipient=one.recipient,
            address=address,
            severity=one.severity,
            is_drill=one.is_drill,
            facts=facts,
            created_at=one.created_at,
        )

    def _fail(self, rules: NotificationRules, one: Claimed, error: EtlmonError, now: datetime) -> str:
        get_logger(__name__).warning(
            "message not delivered", messageId=one.message_id, channel=one.channel.value, reason=words_of(error)
        )
        with transaction(self._engine) as connection:
            if isinstance(error, CircuitOpenError):
                at = retry_after_break(error, now=now)
                record_delay(connection, one, error, due_at=at, is_attempt=False)
                fallback_while_open(connection, rules, one, error, now=now)
                return "put_back"
            wait = error.context.get("retry_after_s")
            channel = rules.channel(one.channel)
            retry_at = channel.retry_at(one.attempt, key=one.idempotency_key, now=now, retry_after_s=wait)
            if error.is_retryable and retry_at is not None:
                record_delay(connection, one, error, due_at=retry_at)
                return "delayed"
            record_dead(connection, rules, one, error, now=now)
            return "dead"
