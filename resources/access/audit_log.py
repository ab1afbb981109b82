"""Writing the audit: entries join the transaction of the change they tell of, so that neither is there alone (A9)."""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from domain.access.audit_chain import GENESIS, AuditChange, AuditEntry, compute_mac, render_document
from domain.access.field_protection import mask_secrets_of
from resources.clock import utc_now
from resources.json_logs import current_correlation_id
from resources.secret_files import load_secret_file
from resources.secret_registry import mask_secrets

_LOCK = 4_918_233_002
_BATCH = 1000
#: What JSON text may carry and PostgreSQL's json type cannot.
_HALF_SURROGATE = re.compile("[\ud800-\udfff]")
_ODD = ("\\u0000", "\\ud8", "\\ud9", "\\uda", "\\udb", "NaN", "Infinity")
_TYPES = {
    "sequence": "bigint", "at": "timestamptz", "actor": "text", "action": "text", "resource": "text", "resource_id": "text",
    "before": "json", "after": "json", "correlation_id": "text", "previous_mac": "bytea", "mac": "bytea",
}  # fmt: skip
_INSERT = text(
    f"INSERT INTO audit_entries ({', '.join(_TYPES)}) SELECT * FROM unnest("
    + ", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in _TYPES.items())
    + ")"
)


class AuditLog:
    """Appends entries. The key of the chain is a file outside the database: who can write the tables cannot forge it."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @property
    def key(self) -> bytes:
        """What the MACs are made with."""
        return self._key

    def record(
        self,
        connection: Connection,
        *,
        actor: str,
        action: str,
        resource: str,
        resource_id: str,
        before: Any = None,
        after: Any = None,
    ) -> int:
        """Append one entry as the last statement of a change's transaction; its sequence number.

        Writers wait for one another from here to their commit, which keeps the chain without gaps.

        Args:
            before, after: JSON-like documents of the resource; secrets are masked here.
        """
        return self.record_many(connection, [AuditChange(actor, action, resource, resource_id, before, after)])[0]

    def record_many(self, connection: Connection, changes: Sequence[AuditChange]) -> range:
        """Append entries in this order as the last statements of a transaction; their sequence numbers. None for none.

        Ten thousand cost about a second: masked and chained here, written a thousand at a time.
        """
        if not changes:
            return range(0)
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        last = connection.execute(
            text("SELECT sequence, mac FROM audit_entries ORDER BY sequence DESC LIMIT 1")
        ).one_or_none()
        first, mac = (last.sequence + 1, bytes(last.mac)) if last else (1, GENESIS)
        links = self._chain(changes, first=first, previous=mac)
        while batch := list(islice(links, _BATCH)):
            connection.execute(_INSERT, {name: [getattr(one, name) for one in batch] for name in _TYPES})
        return range(first, first + len(changes))

    def _chain(self, changes: Sequence[AuditChange], *, first: int, previous: bytes) -> Iterator[AuditEntry]:
        at, correlation_id = utc_now(), _storable(current_correlation_id())
        for sequence, one in enumerate(changes, first):
            link = AuditEntry(
                sequence=sequence,
                at=at,
                actor=_storable(one.actor),
                action=_storable(one.action),
                resource=_storable(one.resource),
                resource_id=_storable(one.resource_id),
                before=_render(one.resource, one.before),
                after=_render(one.resource, one.after),
                correlation_id=correlation_id,
                previous_mac=previous,
            )
            link = replace(link, mac=compute_mac(link, self._key))
            previous = link.mac
            yield link


def _render(resource: str, document: Any) -> str | None:
    """Most documents are clean as a whole; only the others are gone through value by value."""
    if document is None:
        return None
    masked = mask_secrets_of(resource, document)
    whole = render_document(masked) or ""
    is_plain = not any(odd in whole for odd in _ODD) and (whole.isascii() or not _HALF_SURROGATE.search(whole))
    return whole if is_plain and mask_secrets(whole) == whole else render_document(_clean(masked))


def _clean(value: Any) -> Any:
    """Plain JSON that PostgreSQL takes, without any secret this process knows."""
    if isinstance(value, Mapping):
        return {_storable(str(key)): _clean(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(inner) for inner in value]
    if isinstance(value, str):
        return _storable(mask_secrets(value))
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _storable(text_: str) -> str:
    """Without NUL and half surrogates, which PostgreSQL has no place for."""
    clean = text_ if text_.isascii() else text_.encode("utf-8", "replace").decode()
    return clean.replace("\0", "�") if "\0" in clean else clean


def load_audit_log(home: Path) -> AuditLog:
    """The audit of a home; its key is made at first use."""
    return AuditLog(load_secret_file(home, "audit.key", secrets.token_bytes(32)))
