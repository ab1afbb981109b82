"""The chain of audit entries: each carries a MAC over itself and the one before, so that no change goes unseen (A9)."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

#: `previous_mac` of the first entry.
GENESIS = bytes(32)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change. `before` and `after` are documents with secrets masked; either is null where there is none."""

    sequence: int
    at: datetime
    actor: str
    action: str
    resource: str
    resource_id: str
    before: Any
    after: Any
    correlation_id: str
    previous_mac: bytes
    mac: bytes = b""


def compute_mac(entry: AuditEntry, key: bytes) -> bytes:
    """HMAC-SHA256 over every field and the MAC of the entry before (RFC 2104); 32 bytes."""
    body = [
        entry.sequence,
        entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        entry.actor,
        entry.action,
        entry.resource,
        entry.resource_id,
        entry.before,
        entry.after,
        entry.correlation_id,
        entry.previous_mac.hex(),
    ]
    return hmac.new(key, orjson.dumps(body, option=orjson.OPT_SORT_KEYS), hashlib.sha256).digest()
