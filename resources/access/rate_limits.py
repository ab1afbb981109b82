"""The rows of `rate_limits`: read by every request, changed by an admin at run time, in force everywhere within a second (A13)."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, text

from domain.access.rate_limits import LimitScope
from domain.errors import NotFoundError, StorageError
from resources.access.audit_log import AuditLog
from resources.clock import utc_now
from resources.json_logs import get_logger
from resources.postgres.engine import transaction

_TTL_S = 0.5


@dataclass(frozen=True, slots=True)
class RateLimitRow:
    """One row."""

    scope: LimitScope
    name: str
    per_minute: int
    updated_by: str
    updated_at: datetime


class RateLimits:
    """The table. `present` is at most half a second old; a database that is away leaves the last known rows in force."""

    def __init__(self, engine: Engine, audit: AuditLog) -> None:
        self._engine = engine
        self._audit = audit
        self._lock = threading.Lock()
        self._present: dict[tuple[str, str], int] = {}
        self._read_at = float("-inf")

    def present(self) -> Mapping[tuple[str, str], int]:
        """(scope, name) → requests a minute. One thread reads again, the others go on with what is known."""
        if time.monotonic() - self._read_at > _TTL_S and self._lock.acquire(blocking=not self._present):
            try:
                if time.monotonic() - self._read_at > _TTL_S:
                    self._reload()
            finally:
                self._lock.release()
        return self._present

    def _reload(self) -> None:
        try:
            self._present = {(row.scope, row.name): row.per_minute for row in self.list_limits()}
        except StorageError as error:
            get_logger(__name__).warning("rate limits could not be read again", error=error)
        self._read_at = time.monotonic()

    def list_limits(self) -> list[RateLimitRow]:
        """All rows, by scope and name."""
        with transaction(self._engine) as connection:
            rows = connection.execute(text("SELECT * FROM rate_limits ORDER BY scope, name")).all()
        return [
            RateLimitRow(LimitScope(row.scope), row.name, row.per_minute, row.updated_by, row.updated_at)
            for row in rows
        ]

    def save(self, scope: LimitScope, name: str, *, per_minute: int, actor: str) -> RateLimitRow:
        """Set a limit, new or changed."""
        at = utc_now()
        with transaction(self._engine) as connection:
            before = _document(connection, scope, name)
            connection.execute(
                text(
                    "INSERT INTO rate_limits VALUES (:scope, :name, :per_minute, :actor, :at) ON CONFLICT (scope, name)"
                    " DO UPDATE SET per_minute = :per_minute, updated_by = :actor, updated_at = :at"
                ),
                {"scope": scope.value, "name": name, "per_minute": per_minute, "actor": actor, "at": at},
            )
            after = {"perMinute": per_minute}
            self._record(connection, (scope, name), actor=actor, action="rate-limit.save", before=before, after=after)
        self._read_at = float("-inf")
        return RateLimitRow(scope, name, per_minute, actor, at)

    def remove(self, scope: LimitScope, name: str, *, actor: str) -> None:
        """Take a limit away; the next rule in the order holds.

        Raises:
            NotFoundError: there is no such row.
        """
        with transaction(self._engine) as connection:
            before = _document(connection, scope, name)
            if before is None:
                raise NotFoundError(
                    f"there is no limit of the {scope.value} {name!r}", suggestion="GET /api/v1/rate-limits lists them"
                )
            connection.execute(
                text("DELETE FROM rate_limits WHERE scope = :scope AND name = :name"),
                {"scope": scope.value, "name": name},
            )
            self._record(connection, (scope, name), actor=actor, action="rate-limit.remove", before=before, after=None)
        self._read_at = float("-inf")

    def _record(self, connection: Connection, key: tuple[LimitScope, str], **entry: Any) -> None:
        resource_id = f"{key[0].value} {key[1]}"
        self._audit.record(connection, resource="rate-limits", resource_id=resource_id, **entry)


def _document(connection: Connection, scope: LimitScope, name: str) -> dict[str, int] | None:
    found = connection.execute(
        text("SELECT per_minute FROM rate_limits WHERE scope = :scope AND name = :name FOR UPDATE"),
        {"scope": scope.value, "name": name},
    ).scalar()
    return None if found is None else {"perMinute": found}
