"""Links by which one recipient acknowledges one incident without logging in: signed, short enough for an SMS, expiring.

A token is base64url of: version · key id · action · incident · expiry · recipient · HMAC-SHA256 cut to 128 bits.
It binds recipient, incident and action; what it may still do is decided by the state of the incident when it is used.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

_HEAD = struct.Struct(">B4sBQI")
_VERSION = 1
_SIGNATURE = 16
_LONGEST = 200
KEY_ID_BYTES = 4


class LinkAction(Enum):
    """The single purpose of a link."""

    ACKNOWLEDGE = 1


class LinkFault(Enum):
    """Why a link does nothing."""

    INVALID = "invalid"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class AckLink:
    """What a good token says."""

    incident_id: int
    recipient: str
    action: LinkAction
    expires_at: datetime


def sign_link(link: AckLink, *, key_id: bytes, key: bytes) -> str:
    """The token of a link; `expires_at` counts in whole seconds."""
    head = _HEAD.pack(
        _VERSION, key_id, link.action.value, link.incident_id, int(link.expires_at.timestamp()) & 0xFFFFFFFF
    )
    body = head + link.recipient.encode()[:100]
    return base64.urlsafe_b64encode(body + _sign(body, key)).rstrip(b"=").decode()


def read_link(token: str, *, keys: Mapping[bytes, bytes], now: datetime) -> AckLink | LinkFault:
    """What the token says, or why it says nothing. An expired one is told apart only when its signature is good."""
    try:
        raw = (
            base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
            if len(token) <= _LONGEST
            else b""
        )
        body, signature = raw[:-_SIGNATURE], raw[-_SIGNATURE:]
        version, key_id, action, incident_id, expires_s = _HEAD.unpack(body[: _HEAD.size])
        recipient = body[_HEAD.size :].decode()
    except (binascii.Error, ValueError, struct.error):
        return LinkFault.INVALID
    key = keys.get(key_id)
    is_canonical = base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == token
    if key is None or not is_canonical or not hmac.compare_digest(signature, _sign(body, key)):
        return LinkFault.INVALID
    if version != _VERSION or action not in [one.value for one in LinkAction]:
        return LinkFault.INVALID
    expires_at = datetime.fromtimestamp(expires_s, UTC)
    if now >= expires_at:
        return LinkFault.EXPIRED
    return AckLink(incident_id, recipient, LinkAction(action), expires_at)


def _sign(body: bytes, key: bytes) -> bytes:
    return hmac.new(key, b"etlmon ack link\0" + body, hashlib.sha256).digest()[:_SIGNATURE]
