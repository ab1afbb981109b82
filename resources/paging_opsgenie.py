"""Opsgenie Alert API (H5): create, acknowledge, close by alias, one alias per incident."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from pydantic import SecretStr

from domain.errors import ConfigurationError
from domain.notification.message import Message, MessageKind, Receipt
from domain.notification.texts import facts_rows, render_plain, render_subject, shorten, words_of
from domain.vocabulary import Severity
from resources.delivery_http import DeliveryHttp, Provider, read_answer
from resources.paging_pagerduty import dedup_key
from resources.secret_registry import register_secret

_PRIORITIES = {Severity.CRITICAL: "P1", Severity.HIGH: "P2", Severity.MEDIUM: "P3", Severity.LOW: "P4"}
_CHANGES = {MessageKind.ACKNOWLEDGED: "acknowledge", MessageKind.RESOLVED: "close"}


@dataclass(frozen=True, slots=True)
class OpsgenieTeam:
    """The API key where a recipient has none of his own, and the address (Europe: https://api.eu.opsgenie.com)."""

    api_key: SecretStr | None = None
    base_url: str = "https://api.opsgenie.com"
    timeout_s: float = 10.0


class PagingOpsgenie:
    """A `MessageChannel`; the address of a message is the API key of the recipient's integration."""

    def __init__(self, team: OpsgenieTeam) -> None:
        self._team = team
        self._http = DeliveryHttp(Provider("opsgenie", team.base_url.rstrip("/"), team.timeout_s))

    def send(self, message: Message) -> Receipt:
        """Create the alert, or change the one with the alias of the incident."""
        words = words_of(message)
        alias = dedup_key(message, words)
        change = _CHANGES.get(message.kind)
        by = {"source": "etlmon", "user": "etlmon", "note": render_subject(words)}
        path, document = "/v2/alerts", by
        if change is not None:
            path = f"/v2/alerts/{quote(alias, safe='')}/{change}?identifierType=alias"
        else:
            document = self._alert(message, alias)
        headers = {"Authorization": f"GenieKey {self._key(message.address)}"}
        reply = self._http.post_json(path, document, headers=headers)
        answer = read_answer(self._http.provider, reply, "requestId")
        return Receipt(f"{alias}:{answer['requestId']}", is_delivered=True)

    def _alert(self, message: Message, alias: str) -> dict[str, Any]:
        words = words_of(message)
        return {
            "message": shorten(render_subject(words), 130),
            "alias": alias,
            "description": shorten(render_plain(words), 15_000),
            "priority": _PRIORITIES[message.severity],
            "source": "etlmon",
            "entity": words.service,
            "tags": ["etlmon", message.severity.value, *(["DRILL"] if message.is_drill else [])],
            "details": dict(facts_rows(words)),
        }

    def _key(self, address: str) -> str:
        default = self._team.api_key.get_secret_value() if self._team.api_key else ""
        key = address if re.fullmatch(r"[A-Za-z0-9_-]{6,64}", address) and address != "default" else default
        if not key:
            raise ConfigurationError(
                "there is no Opsgenie key for this recipient",
                suggestion="set ETLMON_OPSGENIE_KEY or the opsgenie address of the team",
            )
        register_secret(key)
        return key
