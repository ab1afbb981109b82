"""PagerDuty Events API v2 (H5): trigger, acknowledge, resolve under one dedup key per incident."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from domain.errors import ConfigurationError
from domain.notification.message import DeliveryDelayedError, Message, MessageKind, Receipt
from domain.notification.texts import Words, facts_rows, render_subject, shorten, words_of
from domain.vocabulary import Severity
from resources.delivery_http import DeliveryHttp, Provider, read_answer
from resources.secret_registry import register_secret

_ACTIONS = {MessageKind.ACKNOWLEDGED: "acknowledge", MessageKind.RESOLVED: "resolve"}
_SEVERITIES = {
    Severity.CRITICAL: "critical",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "info",
}


def dedup_key(message: Message, words: Words) -> str:
    """One per incident, so that acknowledging and resolving find what triggering made; a drill never meets the real thing."""
    prefix = "etlmon-drill" if message.is_drill else "etlmon"
    return f"{prefix}-{words.code}" if words.code else f"{prefix}-{message.idempotency_key}"[:255]


@dataclass(frozen=True, slots=True)
class PagerDutyService:
    """The routing key where a recipient has none of his own, and the address."""

    routing_key: SecretStr | None = None
    base_url: str = "https://events.pagerduty.com"
    timeout_s: float = 10.0


class PagingPagerDuty:
    """A `MessageChannel`; the address of a message is the routing key of the recipient's service."""

    def __init__(self, service: PagerDutyService) -> None:
        self._service = service
        self._http = DeliveryHttp(Provider("pagerduty", service.base_url.rstrip("/"), service.timeout_s))

    def send(self, message: Message) -> Receipt:
        """Enqueue the event."""
        words = words_of(message)
        key = dedup_key(message, words)
        document: dict[str, Any] = {
            "routing_key": self._routing_key(message.address),
            "event_action": _ACTIONS.get(message.kind, "trigger"),
            "dedup_key": key,
        }
        if document["event_action"] == "trigger":
            document |= _trigger(message, words)
        reply = self._http.post_json("/v2/enqueue", document, headers={})
        answer = read_answer(self._http.provider, reply, "status")
        if answer["status"] != "success":
            raise DeliveryDelayedError(
                "pagerduty did not say success", suggestion="it is tried again under the same key", provider="pagerduty"
            )
        return Receipt(key, is_delivered=True)

    def _routing_key(self, address: str) -> str:
        default = self._service.routing_key.get_secret_value() if self._service.routing_key else ""
        key = address if re.fullmatch(r"[A-Za-z0-9_-]{6,64}", address) and address != "default" else default
        if not key:
            raise ConfigurationError(
                "there is no PagerDuty routing key for this recipient",
                suggestion="set ETLMON_PAGERDUTY_ROUTING_KEY or the pagerduty address of the team",
            )
        register_secret(key)
        return key


def _trigger(message: Message, words: Words) -> dict[str, Any]:
    links = [
        {"href": url, "text": text}
        for text, url in (("Dashboard", words.dashboard_url), ("Incident", words.incident_url))
        if url
    ]
    return {
        "payload": {
            "summary": shorten(render_subject(words), 1024),
            "source": words.service or "etlmon",
            "severity": _SEVERITIES[message.severity],
            "timestamp": message.created_at.isoformat(),
            "component": words.service or None,
            "class": words.kind.value,
            "custom_details": {**dict(facts_rows(words)), "Drill": "yes" if message.is_drill else "no"},
        },
        "links": links,
        "client": "ETL Monitoring Platform",
        **({"client_url": words.incident_url} if words.incident_url else {}),
    }
