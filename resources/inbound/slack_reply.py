"""The answer to whoever pressed a button in Slack, at the address that came with the press."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from domain.errors import EtlmonError
from resources.delivery_http import DeliveryHttp, Provider
from resources.json_logs import get_logger

_HOOKS = "hooks.slack.com"


def is_slack_address(url: str, *, slack_url: str) -> bool:
    """Only Slack's own host, or the one that the settings name instead of it."""
    try:
        asked, ours = urlsplit(url), urlsplit(slack_url)
    except ValueError:
        return False
    is_theirs = asked.scheme == "https" and asked.netloc == _HOOKS
    return is_theirs or (bool(asked.netloc) and (asked.scheme, asked.netloc) == (ours.scheme, ours.netloc))


def send_slack_reply(url: str, answer: dict[str, Any]) -> None:
    """Once; a lost one is only noted: what was done stands in the incident."""
    parts = urlsplit(url)
    http = DeliveryHttp(Provider("slack-reply", f"{parts.scheme}://{parts.netloc}", timeout_s=3.0))
    try:
        http.post_json("", answer, headers={}, url=url)
    except EtlmonError as error:
        get_logger(__name__).warning("no reply to a button in Slack", error=error)
    finally:
        http.session.close()
