"""Addresses of people: what a number, a mailbox and a Slack channel look like, and how they may be shown in logs and errors."""

from __future__ import annotations

import re

from domain.notification.message import DeliveryRefusedError

_PHONE = re.compile(r"^\+[1-9][0-9]{6,14}$")
_MAILBOX = re.compile(r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])$")
_SLACK = re.compile(r"^(?:[CGDUW][A-Z0-9]{2,20}|[#@]?[a-z0-9][a-z0-9._-]{0,79})$")
_SHOWN_NUMBER = re.compile(r"\+?[0-9][0-9 ().-]{5,18}[0-9]")
_SHOWN_MAILBOX = re.compile(r"[\w.+%'-]+@[\w-]+\.[\w.-]+")


def mask_address(address: str) -> str:
    """An address as logs and errors may show it: enough to recognise one's own, not enough to use it."""
    if "@" in address:
        name, _, host = address.rpartition("@")
        return f"{name[:1]}…@{host}"
    digits = sum(one.isdigit() for one in address)
    return f"{address[:3]}…{address[-2:]}" if digits >= 6 else address[:80]


def mask_addresses(text: str) -> str:
    """A provider's words with every number and mailbox in them masked."""
    shown = _SHOWN_MAILBOX.sub(lambda found: mask_address(found[0]), text)
    return _SHOWN_NUMBER.sub(lambda found: mask_address(found[0]), shown)


def check_phone(address: str) -> str:
    """The number without spaces, in E.164.

    Raises:
        DeliveryRefusedError: it is none.
    """
    number = re.sub(r"[ ()./-]", "", address)
    if not _PHONE.fullmatch(number):
        raise _refusal(address, "phone number", "write it as +, country code and number: +14155550100")
    return number


def check_mailbox(address: str) -> str:
    """The mailbox as it is; one, without a display name.

    Raises:
        DeliveryRefusedError: it is none.
    """
    if not _MAILBOX.fullmatch(address) or ".." in address:
        raise _refusal(address, "mail address", "write one address without a display name: ann@example.com")
    return address


def check_slack(address: str) -> str:
    """A channel by id or name, or the id of a person.

    Raises:
        DeliveryRefusedError: neither.
    """
    if not _SLACK.fullmatch(address):
        raise _refusal(address, "Slack channel", "write its id (C024BE91L) or its name (#etl-alerts)")
    return address


def _refusal(address: str, what: str, suggestion: str) -> DeliveryRefusedError:
    shown = mask_address(" ".join(address.split())) or "an empty text"
    return DeliveryRefusedError(f"{shown} is no {what}", suggestion=suggestion)
