"""People and teams, and where each of them can be reached. Numbers and addresses are protected: no repr or log shows them."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from domain.loaders.definition import Frozen
from domain.notification.message import Channel

NAME = r"^[a-z][a-z0-9._-]{0,62}$"
Name = Annotated[str, Field(pattern=NAME)]
TEAM_PREFIX = "team:"

_FORMS: dict[str, tuple[re.Pattern[str], str]] = {
    "number": (re.compile(r"\+[1-9][0-9]{6,14}"), "a phone number in E.164 form: + country code number, digits only"),
    "mail": (
        re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?"),
        "a mail address: name@example.com",
    ),
    "slack": (
        re.compile(r"[CGDUW][A-Z0-9]{2,20}|[#@][a-z0-9][a-z0-9._-]{0,78}"),
        "a Slack id (U…, C…) or a #channel in lower case",
    ),
    "key": (re.compile(r"[A-Za-z0-9_-]{6,64}"), "an integration key: letters, digits, _ and -"),
    "url": (re.compile(r"https?://[^\s/?#@]+(?:[/?][^\s#]*)?"), "an http(s) URL without user information"),
}


def _form(name: str) -> AfterValidator:
    pattern, words = _FORMS[name]

    def check(value: SecretStr) -> SecretStr:
        if not pattern.fullmatch(value.get_secret_value()):
            raise ValueError(f"this must be {words}")
        return value

    return AfterValidator(check)


class Addresses(Frozen):
    """Where somebody is reached, per channel. `voice` is called, `sms` gets texts; either stands in for the other when missing."""

    voice: Annotated[SecretStr, _form("number")] | None = None
    sms: Annotated[SecretStr, _form("number")] | None = None
    email: Annotated[SecretStr, _form("mail")] | None = None
    slack: Annotated[SecretStr, _form("slack")] | None = None
    pagerduty: Annotated[SecretStr, _form("key")] | None = None
    opsgenie: Annotated[SecretStr, _form("key")] | None = None
    webhook: Annotated[SecretStr, _form("url")] | None = None

    def of(self, channel: Channel) -> str | None:
        """In clear, for the one who sends; None when there is none."""
        value: SecretStr | None = getattr(self, channel.value)
        return value.get_secret_value() if value else None

    def all_channels(self) -> list[Channel]:
        """Channels with an address, in the order of the vocabulary."""
        return [channel for channel in Channel if self.of(channel)]


class Person(Frozen):
    """Somebody who may be on call."""

    title: str = Field(min_length=1, max_length=120)
    manager: Name | None = None
    addresses: Addresses


class Team(Frozen):
    """People together; `addresses` are those of the team itself (its Slack channel, its mailbox, its PagerDuty service)."""

    title: str = Field(min_length=1, max_length=120)
    members: list[Name] = Field(default_factory=list)
    addresses: Addresses = Addresses()
