"""The audit in PostgreSQL: `record` joins the transaction of the change it tells of, so that neither is there alone (A9)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from domain.access.audit_chain import GENESIS, AuditEntry, compute_mac
from domain.access.field_protection import mask_secrets_of
from resources.clock import utc_now
from resources.json_logs import current_correlation_id
from resources.secret_files import load_secret_file

_LOCK = 4_918_233_002


class AuditLog:
    """Appends entries. The key of the chain is a file outside the database: who can write the tables cannot forge it."""

    def __init__(self, key: bytes) -> None:
        self._key = key

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
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        last = connection.execute(
            text("SELECT sequence, mac FROM audit_entries ORDER BY sequence DESC LIMIT 1")
        ).one_or_none()
        entry = AuditEntry(
            sequence=last.sequence + 1 if last else 1,
            at=utc_now(),
            actor=actor,
            action=action,
            resource=resource,
            resource_id=resource_id,
            before=_as_json(mask_secrets_of(resource, before)),
            after=_as_json(mask_secrets_of(resource, after)),
            correlation_id=current_correlation_id(),
            previous_mac=bytes(last.mac) if last else GENESIS,
        )
        entry = replace(entry, mac=compute_mac(entry, self._key))
        connection.execute(
            text(
                "INSERT INTO audit_entries (sequence, at, actor, action, resource, resource_id, before, after, correlation_id,"
                " previous_mac, mac) VALUES (:sequence, :at, :actor, :action, :resource, :resource_id, :before, :after,"
                " :correlation_id, :previous_mac, :mac)"
            ),
            {
                "sequence": entry.sequence,
                "at": entry.at,
                "actor": entry.actor,
                "action": entry.action,
                "resource": entry.resource,
                "resource_id": entry.resource_id,
                "before": json.dumps(entry.before),
                "after": json.dumps(entry.after),
                "correlation_id": entry.correlation_id,
                "previous_mac": entry.previous_mac,
                "mac": entry.mac,
            },
        )
        return entry.sequence


def _as_json(document: Any) -> Any:
    """As PostgreSQL gives it back: plain JSON, numbers as it stores them."""
    return json.loads(json.dumps(document, default=str))


def load_audit_log(home: Path) -> AuditLog:
    """The audit of a home; its key is made at first use."""
    import secrets

    return AuditLog(load_secret_file(home, "audit.key", secrets.token_bytes(32)))
