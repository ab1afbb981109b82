"""A message on its way to one recipient through one channel, and what a channel says about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from domain.errors import EtlmonError
from domain.vocabulary import Severity


class Channel(StrEnum):
    """Ways to reach somebody."""

    VOICE = "voice"
    SMS = "sms"
    EMAIL = "email"
    SLACK = "slack"
    PAGERDUTY = "pagerduty"
    OPSGENIE = "opsgenie"
    WEBHOOK = "webhook"


class MessageKind(StrEnum):
    """Why it is sent."""

    OPENED = "opened"
    ESCALATED = "escalated"
    UPDATED = "updated"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    SLA_WARNING = "sla-warning"
    DETAILS = "details"
    STORM = "storm"
    AUDIT = "audit"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Message:
    """What a channel gets. `address` is the number, mailbox, Slack channel or URL, looked up at the time of sending.

    `facts` are the words of the incident: code, title, severity, service, impact, detected_at, dashboard_url, ack_url, …
    The same `idempotency_key` means the same message: a channel that can pass it on does so.
    """

    message_id: int
    idempotency_key: str
    kind: MessageKind
    channel: Channel
    recipient: str
    address: str
    severity: Severity
    is_drill: bool
    facts: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Receipt:
    """The provider took it. `is_delivered` only where the provider says so at once."""

    provider_id: str
    is_delivered: bool = False


class DeliveryError(EtlmonError):
    """The message did not go out. `is_retryable` says whether trying again can help."""

    error_type = "DELIVERY_FAILED"


class DeliveryRefusedError(DeliveryError):
    """The provider will never take it: unknown number, wrong token, blocked sender."""

    error_type = "DELIVERY_REFUSED"


class DeliveryDelayedError(DeliveryError):
    """Timeout, 429, 5xx, connection lost: again later. `retry_after_s` in the context when the provider names it."""

    error_type = "DELIVERY_DELAYED"
    is_retryable: ClassVar[bool] = True
