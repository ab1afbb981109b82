"""Reading the audit: pages, one entry, a stream of all, and whether the chain is whole (A9)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, text

from domain.access.audit_chain import Anchor, AuditEntry, ChainBreak, ChainCheck
from domain.errors import NotFoundError, StorageError
from resources.access.audit_anchors import AuditAnchors
from resources.access.audit_log import AuditLog
from resources.postgres.engine import transaction

_COLUMNS = (
    "sequence, at, actor, action, resource, resource_id, before::text AS before, after::text AS after, correlation_id,"
    " previous_mac, mac"
)
_BATCH = 5000
#: Called with (entries done, entries in all).
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries; None leaves a field open. `since` is inclusive, `until` is not."""

    actor: str | None = None
    action: str | None = None
    resource: str | None = None
    resource_id: str | None = None
    correlation_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> tuple[str, dict[str, Any]]:
        """SQL after WHERE, and its parameters."""
        columns = ("actor", "action", "resource", "resource_id", "correlation_id")
        given = {name: getattr(self, name) for name in columns if getattr(self, name) is not None}
        parts = ["true", *(f"{name} = :{name}" for name in given)]
        parts += ["at >= :since"] * (self.since is not None) + ["at < :until"] * (self.until is not None)
        return " AND ".join(parts), {**given, "since": self.since, "until": self.until}


@dataclass(frozen=True, slots=True)
class AuditVerdict:
    """What `verify` found. `broken` is the first break; None when every entry is what was written."""

    entries: int
    anchors: int
    broken: ChainBreak | None

    @property
    def is_intact(self) -> bool:
        """Nothing altered, removed, inserted or reordered."""
        return self.broken is None


class AuditTrail:
    """The audit as its readers use it."""

    def __init__(self, engine: Engine, audit: AuditLog, anchors: AuditAnchors) -> None:
        self._engine = engine
        self._audit = audit
        self.anchors = anchors

    def list_entries(self, wanted: AuditFilter, *, limit: int, before: int | None = None) -> list[AuditEntry]:
        """Newest first, older than the sequence `before`."""
        where, values = wanted.conditions()
        with transaction(self._engine) as connection:
            return _select(
                connection,
                f"{where} AND (CAST(:before AS bigint) IS NULL OR sequence < :before) ORDER BY sequence DESC LIMIT :limit",
                {**values, "before": before, "limit": limit},
            )

    def count(self, wanted: AuditFilter) -> int:
        """How many entries the filter lets through."""
        where, values = wanted.conditions()
        # without gaps: the newest sequence is the number of all
        sql = "coalesce(max(sequence), 0)" if wanted == AuditFilter() else "count(*)"
        with transaction(self._engine) as connection:
            return int(connection.execute(text(f"SELECT {sql} FROM audit_entries WHERE {where}"), values).scalar_one())

    def get_entry(self, sequence: int) -> AuditEntry:
        """One entry.

        Raises:
            NotFoundError: there is none of that sequence.
        """
        with transaction(self._engine) as connection:
            found = _select(connection, "sequence = :sequence", {"sequence": sequence})
        if not found:
            raise NotFoundError(f"no audit entry {sequence}", suggestion="`etlmon audit list` shows the newest ones")
        return found[0]

    def stream(self, wanted: AuditFilter, *, batch: int = 1000) -> Iterator[AuditEntry]:
        """All entries of the filter, newest first, in bounded memory; no transaction stays open between two batches."""
        before: int | None = None
        while page := self.list_entries(wanted, limit=batch, before=before):
            yield from page
            before = page[-1].sequence

    def verify(self, *, progress: Progress | None = None, by: str = "verify") -> AuditVerdict:
        """Walk the whole chain and compare it with the anchors; what is found whole is anchored.

        Memory does not grow with the number of entries. Entries written meanwhile are left to the next time.
        """
        try:
            anchors = self.anchors.load()
        except StorageError as error:
            return AuditVerdict(0, 0, ChainBreak(0, error.reason))
        check = ChainCheck(self._audit.key, anchors)
        broken = self._walk(check, progress) or check.finish()
        if broken is None and check.sequence:
            self.anchors.append(Anchor(check.sequence, check.mac), by=by)
        return AuditVerdict(check.sequence, len(anchors), broken)

    def _walk(self, check: ChainCheck, progress: Progress | None) -> ChainBreak | None:
        last = -(2**63)
        with transaction(self._engine) as connection:
            head = int(connection.execute(text("SELECT coalesce(max(sequence), 0) FROM audit_entries")).scalar_one())
        while page := self._page(last, head):
            for entry in page:
                if broken := check.feed(entry):
                    return broken
            last = page[-1].sequence
            if progress:
                progress(check.sequence, head)
        return None

    def _page(self, last: int, head: int) -> list[AuditEntry]:
        condition = "sequence > :last AND sequence <= :head ORDER BY sequence LIMIT :limit"
        with transaction(self._engine) as connection:
            return _select(connection, condition, {"last": last, "head": head, "limit": _BATCH})


def _select(connection: Connection, condition: str, values: dict[str, Any]) -> list[AuditEntry]:
    rows = connection.execute(text(f"SELECT {_COLUMNS} FROM audit_entries WHERE {condition}"), values)
    return [_entry(row) for row in rows]


def _entry(row: Row[Any]) -> AuditEntry:
    return AuditEntry(
        row.sequence,
        row.at,
        row.actor,
        row.action,
        row.resource,
        row.resource_id,
        row.before,
        row.after,
        row.correlation_id,
        bytes(row.previous_mac),
        bytes(row.mac),
    )
