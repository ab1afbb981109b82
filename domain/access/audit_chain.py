"""The chain of audit entries: each carries a MAC over itself and the one before, so that no change goes unseen (A9)."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

#: `previous_mac` of the first entry.
GENESIS = bytes(32)


@dataclass(frozen=True, slots=True)
class AuditChange:
    """What somebody did. `before` and `after` are JSON-like documents of the resource; either is None where there is none."""

    actor: str
    action: str
    resource: str
    resource_id: str
    before: Any = None
    after: Any = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One link. `before` and `after` are JSON texts with secrets masked, exactly as stored; None where there is none."""

    sequence: int
    at: datetime
    actor: str
    action: str
    resource: str
    resource_id: str
    before: str | None
    after: str | None
    correlation_id: str
    previous_mac: bytes
    mac: bytes = b""


def render_document(document: Any) -> str | None:
    """The text that is stored and that the MAC covers; None for None. Values JSON does not know become their text."""
    return None if document is None else json.dumps(document, default=str, ensure_ascii=False, separators=(",", ":"))


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
    return hmac.digest(key, orjson.dumps(body), hashlib.sha256)


@dataclass(frozen=True, slots=True)
class Anchor:
    """What was once seen: the entry of that sequence had that MAC. Kept outside of the database."""

    sequence: int
    mac: bytes


@dataclass(frozen=True, slots=True)
class ChainBreak:
    """The first entry at which the chain is not what was written: its sequence and what is wrong there."""

    sequence: int
    reason: str


class ChainCheck:
    """Walks the chain once, in the order of `sequence`; memory does not grow with its length."""

    def __init__(self, key: bytes, anchors: Iterable[Anchor] = ()) -> None:
        self._key = key
        self._anchors: dict[int, set[bytes]] = {}
        for anchor in anchors:
            self._anchors.setdefault(anchor.sequence, set()).add(anchor.mac)
        self.sequence = 0
        self.mac = GENESIS

    def feed(self, entry: AuditEntry) -> ChainBreak | None:
        """The next entry; a break ends the walk."""
        expected = self.sequence + 1
        if entry.sequence != expected:
            lost = (
                f"entry {expected} is missing" if entry.sequence > expected else "an entry stands before the first one"
            )
            return ChainBreak(
                min(expected, entry.sequence), f"{lost}: it was removed, renumbered or never belonged there"
            )
        if not hmac.compare_digest(entry.previous_mac, self.mac):
            return ChainBreak(expected, f"entry {expected} does not follow the entry before it")
        if not hmac.compare_digest(entry.mac, compute_mac(entry, self._key)):
            return ChainBreak(expected, f"entry {expected} was altered, moved here or forged")
        if self._anchors.get(expected, {entry.mac}) != {entry.mac}:
            return ChainBreak(expected, f"entry {expected} is not the one that was there when it was anchored")
        self.sequence, self.mac = expected, entry.mac
        return None

    def finish(self) -> ChainBreak | None:
        """After the last entry: whether entries at the end are gone."""
        newest = max(self._anchors, default=0)
        if newest <= self.sequence:
            return None
        first = self.sequence + 1
        return ChainBreak(
            first,
            f"entries {first} to {newest} (at least) are missing at the end: removed, or an older database restored",
        )
