"""Notification of one installation, assembled from its settings: the desk that others call, and the delivery that a job calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, text

from domain.notification.message import Channel, Message
from domain.notification.planning import Planned
from domain.notification.rules import NotificationRules
from domain.vocabulary import Severity
from resources.channels import channels_of
from resources.notification.delivery import Delivered, Delivery
from resources.notification.desk import NotificationDesk
from resources.notification.outbox import Cause
from resources.notification.rule_store import RuleStore
from resources.postgres.engine import transaction
from resources.settings import Settings

_BATCH = 200


@dataclass(frozen=True, slots=True)
class Tick:
    """What a tick did."""

    escalated: int
    delivered: Delivered


def base_url_of(settings: Settings) -> str:
    """Where browsers reach the API."""
    return settings.public_url or f"http://{settings.api_host}:{settings.api_port}"


def desk_of(settings: Settings, rules: Callable[[], NotificationRules] | None = None) -> NotificationDesk:
    """The notification desk; its `on_incident` is the listener of the incident desk."""
    return NotificationDesk(rules or RuleStore(settings), base_url=base_url_of(settings))


def delivery_of(settings: Settings, engine: Engine, rules: Callable[[], NotificationRules] | None = None) -> Delivery:
    """Delivery through the channels that are set up. One per process: it keeps connections.

    Raises:
        ConfigurationError: a setting of a channel is wrong.
    """
    return Delivery(engine, channels_of(settings, earlier=earlier_of(engine)), rules or RuleStore(settings))


def run_tick(
    engine: Engine, desk: NotificationDesk, delivery: Delivery, *, now: datetime, budget_s: float = 20.0
) -> Tick:
    """What a job does every few seconds: take the escalation steps that are due, then send what is due.

    Cheap when nothing is: three statements. Killed anywhere, the next tick goes on.
    """
    escalated, batch = 0, -1
    while batch == _BATCH or batch < 0:
        with transaction(engine) as connection:
            batch = desk.escalate_due(connection, now=now, limit=_BATCH)
        escalated += batch
    return Tick(escalated, delivery.deliver_due(now=now, budget_s=budget_s))


def earlier_of(engine: Engine) -> Callable[[Message], str | None]:
    """The provider's id of what went out first about the same incident by the same channel to the same recipient."""

    def earlier(message: Message) -> str | None:
        incident_id = message.facts.get("incident_id")
        if incident_id is None:
            return None
        with transaction(engine) as connection:
            found: str | None = connection.execute(
                text(
                    "SELECT provider_id FROM outbox WHERE incident_id = :id AND channel = :channel AND recipient = :recipient"
                    " AND kind IN ('opened', 'escalated') AND provider_id IS NOT NULL ORDER BY message_id LIMIT 1"
                ),
                {"id": incident_id, "channel": message.channel.value, "recipient": message.recipient},
            ).scalar_one_or_none()
        return found

    return earlier


def compose_test(channel: Channel, recipient: str, *, reference: str, actor: str) -> tuple[Cause, Planned]:
    """What `write_messages` takes for a test by hand; `reference` makes its key unique."""
    from domain.notification.message import MessageKind

    facts = {
        "code": "TEST",
        "title": f"Test of the channel {channel.value}",
        "impact": f"{actor} tests whether messages reach you. Nothing is wrong.",
        "severity": Severity.LOW.value,
        "service": "etlmon",
    }
    return Cause(MessageKind.TEST, Severity.LOW, facts), Planned(f"test:{reference}", channel, recipient)
