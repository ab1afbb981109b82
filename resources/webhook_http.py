"""A webhook of anybody (H5): the message as JSON, signed over timestamp and body, with its idempotency key.

Receivers check `X-Etlmon-Signature: v1=` + hex(HMAC-SHA256(secret, "{X-Etlmon-Timestamp}." + body)) and refuse old timestamps.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import orjson
from pydantic import SecretStr

from domain.errors import ConfigurationError
from domain.notification.message import DeliveryRefusedError, Message, Receipt
from domain.notification.texts import render_subject, words_of
from resources.clock import utc_now
from resources.delivery_http import DeliveryHttp, Provider
from resources.secret_registry import register_secret


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """Where to and signed with what; a message whose address is a URL goes there instead."""

    url: SecretStr | None
    secret: SecretStr
    timeout_s: float = 10.0


def sign_webhook(secret: str, *, timestamp: str, body: bytes) -> str:
    """The value of X-Etlmon-Signature."""
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"v1={digest}"


class WebhookHttp:
    """A `MessageChannel`."""

    def __init__(self, target: WebhookTarget, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._target = target
        self._clock = clock
        self._known: dict[str, DeliveryHttp] = {}

    def send(self, message: Message) -> Receipt:
        """POST it; any 2xx is a receipt."""
        url = self._url_of(message.address)
        if url not in self._known:
            self._known[url] = DeliveryHttp(Provider("webhook", url, self._target.timeout_s))
        body = orjson.dumps(_document(message))
        timestamp = str(int(self._clock().timestamp()))
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": message.idempotency_key,
            "X-Etlmon-Timestamp": timestamp,
            "X-Etlmon-Signature": sign_webhook(self._target.secret.get_secret_value(), timestamp=timestamp, body=body),
        }
        self._known[url].post("", body, headers=headers, url=url)
        return Receipt(message.idempotency_key, is_delivered=True)

    def _url_of(self, address: str) -> str:
        default = self._target.url.get_secret_value() if self._target.url else ""
        url = address if "://" in address else default
        if not url:
            raise ConfigurationError("there is no webhook address", suggestion="set ETLMON_WEBHOOK_URL")
        if not url.startswith(("https://", "http://")):
            raise DeliveryRefusedError("the webhook address is no http(s) URL", suggestion="write https://…")
        register_secret(url)
        return url


def _document(message: Message) -> dict[str, object]:
    """What receivers build on: names stay, new ones may come."""
    words = words_of(message)
    return {
        "id": message.idempotency_key,
        "kind": message.kind.value,
        "severity": message.severity.value,
        "isDrill": message.is_drill,
        "createdAt": message.created_at.isoformat(),
        "recipient": message.recipient,
        "subject": render_subject(words),
        "incident": words.code or None,
        "title": words.title,
        "service": words.service,
        "impact": words.impact,
        "summary": words.summary,
        "detectedAt": words.detected,
        "state": words.state,
        "acknowledgedBy": words.acknowledged_by or None,
        "note": words.note,
        "lines": list(words.lines),
        "dashboardUrl": words.dashboard_url or None,
        "incidentUrl": words.incident_url or None,
        "ackUrl": (words.ack_url or None) if words.is_asking else None,
    }
