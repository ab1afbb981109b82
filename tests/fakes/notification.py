"""Rules, incidents and a delivery for tests of notification: the shipped demo rules, a database, channels that record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, text

from domain.circuit_breaker import BreakerRules
from domain.incidents.lifecycle import Action, Request
from domain.incidents.sla import SlaPolicy
from domain.incidents.view import IncidentView
from domain.notification.message import Channel, Message
from domain.notification.rules import NotificationFile, NotificationRules, merge_files
from domain.vocabulary import Severity
from resources.breakers import Breakers
from resources.incidents.desk import IncidentDesk, NewIncident
from resources.notification.delivery import Delivered, Delivery
from resources.notification.desk import NotificationDesk
from resources.notification.service import run_tick
from resources.postgres.engine import make_engine, transaction
from resources.rule_files import load_rule_file, shipped_rules
from tests.fakes.platform import Platform
from tests.fakes.recording_channel import RecordingChannel, recording_channels

START = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
BASE = "https://etlmon.example"


def demo_rules(**changes: Any) -> NotificationRules:
    """The shipped rules; `changes` replace whole sections."""
    folder = shipped_rules() / "notification"
    files = {path.name: load_rule_file(path, NotificationFile) for path in sorted(Path(folder).glob("*.yaml"))}
    rules = merge_files(files)
    return NotificationRules.model_validate(
        {**{name: getattr(rules, name) for name in type(rules).model_fields}, **changes}
    )


def sla_policy() -> SlaPolicy:
    return load_rule_file(shipped_rules() / "sla.yaml", SlaPolicy)


class Estate:
    """One database with both desks and a delivery. Time is what `now` says."""

    def __init__(self, engine: Engine, rules: NotificationRules, **options: Any) -> None:
        self.engine = engine
        self.rules = rules
        self.now = START
        self.notification = NotificationDesk(lambda: self.rules, base_url=BASE)
        self.incidents = IncidentDesk(sla_policy(), listener=self.notification.on_incident)
        self.channels: dict[Channel, RecordingChannel] = recording_channels()
        breakers = Breakers(BreakerRules(minimum_calls=5, window=10, wait_s=60), clock=lambda: self.now)
        self.delivery = Delivery(
            engine, self.channels, lambda: self.rules, breakers=breakers, timer=lambda: 0.0, **options
        )

    def open(self, severity: Severity = Severity.CRITICAL, **fields: Any) -> IncidentView:
        with transaction(self.engine) as connection:
            return self.open_in(connection, severity, **fields)

    def open_in(self, connection: Connection, severity: Severity = Severity.CRITICAL, **fields: Any) -> IncidentView:
        new = {
            "title": "The pool is empty",
            "summary": "Loads wait",
            "category": "transaction",
            "service": "loader",
            **fields,
        }
        return self.incidents.open(connection, NewIncident(severity=severity, onset_at=self.now, **new), now=self.now)

    def act(self, incident_id: int, action: Action, **fields: Any) -> IncidentView:
        request = Request(action, fields.pop("actor", "ann"), "api", self.now, **fields)
        with transaction(self.engine) as connection:
            return self.incidents.act(connection, incident_id, request).view

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def escalate(self) -> int:
        with transaction(self.engine) as connection:
            return self.notification.escalate_due(connection, now=self.now)

    def deliver(self, **options: Any) -> Delivered:
        return self.delivery.deliver_due(now=self.now, **options)

    def tick(self, seconds: float = 0) -> None:
        """One round of the platform, some time later."""
        self.later(seconds)
        run_tick(self.engine, self.notification, self.delivery, now=self.now)

    def told(self) -> list[tuple[str, str, str]]:
        """(kind, channel, recipient) of everything that went out, sorted."""
        return sorted((one.kind.value, one.channel.value, one.recipient) for one in self.sent())

    def sent(self) -> list[Message]:
        return [message for channel in self.channels.values() for message in channel.received]

    def forget(self) -> None:
        for channel in self.channels.values():
            channel.received.clear()

    def rows(self, where: str = "true") -> list[Any]:
        return self.ask(f"SELECT * FROM outbox WHERE {where} ORDER BY message_id")

    def ask(self, sql: str) -> list[Any]:
        with transaction(self.engine) as connection:
            return list(connection.execute(text(sql)).all())


@contextmanager
def estate_on(platform: Platform, rules: NotificationRules | None = None, **options: Any) -> Iterator[Estate]:
    engine = make_engine(platform.url, pool_size=10, max_overflow=20)
    try:
        yield Estate(engine, rules or demo_rules(), **options)
    finally:
        engine.dispose()


def failing(error: Exception) -> Callable[[Message], Exception | None]:
    return lambda _: error
