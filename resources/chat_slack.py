"""Slack (H5): messages with buttons by a bot token, changed in place as the incident goes on; an incoming webhook as the way round.

The id of a message is "channel:ts"; with it a later message about the same incident replaces the earlier one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from pydantic import SecretStr

from domain.notification.addresses import check_slack
from domain.notification.message import (
    DeliveryDelayedError,
    DeliveryError,
    DeliveryRefusedError,
    Message,
    MessageKind,
    Receipt,
)
from domain.notification.slack_blocks import render_slack_blocks, render_slack_text
from domain.notification.texts import words_of
from resources.delivery_http import DeliveryHttp, Provider, read_answer

#: The provider id of the first message of the same incident in the same place; None when there is none.
Earlier = Callable[[Message], str | None]
_CHANGES = frozenset({MessageKind.UPDATED, MessageKind.ACKNOWLEDGED, MessageKind.RESOLVED, MessageKind.SLA_WARNING})
_LATER = frozenset(
    {"ratelimited", "rate_limited", "fatal_error", "internal_error", "service_unavailable", "request_timeout"}
)
_FORM, _SKEW_S = "application/x-www-form-urlencoded", 30.0
_NO_LONGER_THERE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "channel_not_found"})


@dataclass(frozen=True, slots=True)
class SlackWorkspace:
    """A bot token, or the URL of an incoming webhook, or both: then the webhook takes what the bot is not let say."""

    bot_token: SecretStr | None = None
    webhook_url: SecretStr | None = None
    base_url: str = "https://slack.com/api"
    timeout_s: float = 10.0


class ChatSlack:
    """A `SearchableChannel`."""

    def __init__(self, workspace: SlackWorkspace, *, earlier: Earlier = lambda _: None) -> None:
        self._workspace = workspace
        self._earlier = earlier
        self._http = DeliveryHttp(Provider("slack", workspace.base_url.rstrip("/"), workspace.timeout_s))

    def send(self, message: Message) -> Receipt:
        """Post, or change the message that is there."""
        channel = check_slack(message.address)
        words = words_of(message)
        body = {
            "text": render_slack_text(words),
            "blocks": render_slack_blocks(words, message_id=message.message_id),
            "unfurl_links": False,
        }
        if self._workspace.bot_token is None:
            return self._send_by_webhook(message, body)
        try:
            return self._send_by_bot(message, channel, body)
        except DeliveryRefusedError as error:
            if self._workspace.webhook_url is None:
                raise
            return self._after(error, message, body)

    def find(self, message: Message) -> Receipt | None:
        """The message in the channel's history that bears our key (scopes channels:history, groups:history).

        A message that changes an earlier one is not looked for: changing it twice shows nothing new. Nor is one by webhook.
        """
        token = self._workspace.bot_token
        if token is None or (message.kind in _CHANGES and self._earlier(message)):
            return None
        place = check_slack(message.address)
        asked = {
            "channel": place,
            "oldest": f"{message.created_at.timestamp() - _SKEW_S:.6f}",
            "limit": "200",
            "include_all_metadata": "true",
        }
        headers = {"Authorization": f"Bearer {token.get_secret_value()}", "Content-Type": _FORM}
        reply = self._http.post("/conversations.history", urlencode(asked).encode(), headers=headers)
        answer = read_answer(self._http.provider, reply, "ok")
        if answer["ok"] is not True:
            raise _failure(str(answer.get("error", "no reason given"))[:80])
        for one in answer.get("messages") or ():
            payload = (one.get("metadata") or {}).get("event_payload") or {}
            if payload.get("key") == message.idempotency_key and one.get("ts"):
                return Receipt(f"{place}:{one['ts']}", is_delivered=True)
        return None

    def _after(self, error: DeliveryError, message: Message, body: dict[str, Any]) -> Receipt:
        try:
            return self._send_by_webhook(message, body)
        except DeliveryError:
            raise error from None

    def _send_by_bot(self, message: Message, channel: str, body: dict[str, Any]) -> Receipt:
        earlier = self._earlier(message) if message.kind in _CHANGES else None
        place, _, ts = (earlier or "").partition(":")
        if place and ts:
            try:
                return self._call("chat.update", {**body, "channel": place, "ts": ts})
            except DeliveryRefusedError as error:
                if error.context.get("slack_error") not in _NO_LONGER_THERE:
                    raise
        metadata = {"event_type": "etlmon_message", "event_payload": {"key": message.idempotency_key}}
        return self._call("chat.postMessage", {**body, "channel": channel, "metadata": metadata})

    def _call(self, method: str, document: dict[str, Any]) -> Receipt:
        assert self._workspace.bot_token is not None
        token = self._workspace.bot_token.get_secret_value()
        reply = self._http.post_json(f"/{method}", document, headers={"Authorization": f"Bearer {token}"})
        answer = read_answer(self._http.provider, reply, "ok")
        if answer["ok"] is not True:
            raise _failure(str(answer.get("error", "no reason given"))[:80])
        if not answer.get("ts"):
            raise DeliveryDelayedError(
                "slack answered without the id of the message: it may have gone out",
                suggestion="it is tried again",
                provider="slack",
            )
        return Receipt(f"{answer.get('channel', document['channel'])}:{answer['ts']}", is_delivered=True)

    def _send_by_webhook(self, message: Message, body: dict[str, Any]) -> Receipt:
        """The channel is the one that the webhook was made for; such a message cannot be changed later."""
        assert self._workspace.webhook_url is not None
        url = self._workspace.webhook_url.get_secret_value()
        self._http.post_json("", {"text": body["text"], "blocks": body["blocks"]}, headers={}, url=url)
        return Receipt(f"webhook-{message.message_id}", is_delivered=True)


def _failure(error: str) -> DeliveryError:
    if error in _LATER:
        return DeliveryDelayedError(
            f"slack wants it later: {error}", suggestion="it is tried again", provider="slack", slack_error=error
        )
    return DeliveryRefusedError(
        f"slack refuses the message: {error}",
        suggestion="invite the bot to the channel, correct its id, or renew the token (scope chat:write)",
        provider="slack",
        slack_error=error,
    )
