"""Rows of `loader_versions`: read, inserted and updated here and nowhere else, always set-based.

Whoever changes versions holds their loaders first (`hold_loaders`): what he has read then stays true until his commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Row, text

from domain.loaders.lifecycle import VersionFacts
from domain.vocabulary import VersionState

_BATCH = 2_000


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """One row as it is stored: `definition` without secrets, `secret` encrypted."""

    code: str
    version: int
    state: str
    definition: dict[str, Any]
    content_hash: str
    secret: bytes | None
    created_by: str
    created_at: datetime
    updated_at: datetime
    authors: list[str] = field(default_factory=list)
    revision: int = 1
    submitted_by: str | None = None
    submitted_at: datetime | None = None
    submitted_hash: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    decision: str | None = None
    decision_reason: str | None = None
    activated_at: datetime | None = None
    archived_at: datetime | None = None
    based_on: int | None = None

    @property
    def facts(self) -> VersionFacts:
        """What decisions need of it."""
        return _facts_of(self, is_once_active=self.activated_at is not None)


_TYPES = {
    "version": "integer",
    "definition": "jsonb",
    "authors": "text[]",
    "revision": "integer",
    "based_on": "integer",
    **dict.fromkeys(
        ("created_at", "updated_at", "submitted_at", "decided_at", "activated_at", "archived_at"), "timestamptz"
    ),
}
_COLUMNS = [one.name for one in fields(StoredVersion)]
_CONTENTS = ("definition", "content_hash", "secret")
_KEY = ("code", "version", "created_by", "created_at", "based_on")
_FACTS = (
    "code, version, state, revision, content_hash, authors, submitted_by, submitted_hash,"
    " activated_at IS NOT NULL AS is_once_active"
)


def hold_loaders(connection: Connection, codes: Iterable[str], *, at: datetime | None = None) -> set[str]:
    """Hold the loaders until the end of the transaction; in code order, so that nobody waits in a circle.

    Args:
        at: make those that do not exist, with this instant; None leaves them out.

    Returns:
        The codes that exist now.
    """
    wanted = sorted(set(codes))
    if at is not None:
        connection.execute(
            text(
                "INSERT INTO loaders (code, created_at, updated_at)"
                " SELECT code, :at, :at FROM unnest(CAST(:codes AS text[])) AS code ORDER BY code ON CONFLICT DO NOTHING"
            ),
            {"codes": wanted, "at": at},
        )
    query = text("SELECT code FROM loaders WHERE code = ANY(:codes) ORDER BY code FOR UPDATE")
    return set(connection.execute(query, {"codes": wanted}).scalars())


def read_facts(connection: Connection, code: str) -> list[VersionFacts]:
    """All versions of a loader, oldest first; empty when there is no such loader."""
    query = text(f"SELECT {_FACTS} FROM loader_versions WHERE code = :code ORDER BY version")
    return [_facts_of(row, is_once_active=row.is_once_active) for row in connection.execute(query, {"code": code})]


def _facts_of(row: Row[Any] | StoredVersion, *, is_once_active: bool) -> VersionFacts:
    return VersionFacts(
        code=row.code,
        version=row.version,
        state=VersionState(row.state),
        revision=row.revision,
        content_hash=row.content_hash,
        authors=frozenset(row.authors),
        submitted_by=row.submitted_by,
        submitted_hash=row.submitted_hash,
        is_once_active=is_once_active,
    )


def count_versions(connection: Connection, code: str) -> int:
    """How many versions a loader has; 0 when there is no such loader."""
    query = text("SELECT count(*) FROM loader_versions WHERE code = :code")
    return int(connection.execute(query, {"code": code}).scalar_one())


def read_versions(connection: Connection, condition: str, **values: Any) -> list[StoredVersion]:
    """Whole rows by code and version. `condition` is SQL of ours with bound values."""
    query = text(f"SELECT {', '.join(_COLUMNS)} FROM loader_versions WHERE {condition}")
    return [StoredVersion(**row) for row in connection.execute(query, values).mappings()]


def insert_versions(connection: Connection, rows: Sequence[StoredVersion]) -> None:
    """New rows.

    Raises:
        IntegrityError: a second ACTIVE or DRAFT; `transaction` makes a ConflictError of it.
    """
    statement = text(
        f"INSERT INTO loader_versions ({', '.join(_COLUMNS)}) SELECT {_selected(_COLUMNS)} FROM {_recordset(_COLUMNS)}"
    )
    _run(connection, statement, rows, _COLUMNS)


def update_versions(connection: Connection, rows: Sequence[StoredVersion], *, has_new_contents: bool = False) -> None:
    """Write rows again. Without new contents the secret is left alone, which a key rotation may be rewriting."""
    names = [name for name in _COLUMNS if name not in _KEY and (has_new_contents or name not in _CONTENTS)]
    given = ["code", "version", *names]
    changes = ", ".join(f"{name} = {value}" for name, value in zip(names, _values(names), strict=True))
    statement = text(
        f"UPDATE loader_versions AS stored SET {changes} FROM {_recordset(given)}"
        " WHERE stored.code = given.code AND stored.version = given.version"
    )
    _run(connection, statement, rows, given)


def _values(names: Sequence[str]) -> list[str]:
    return ["decode(given.secret, 'hex')" if name == "secret" else f"given.{name}" for name in names]


def _selected(names: Sequence[str]) -> str:
    return ", ".join(_values(names))


def _recordset(names: Sequence[str]) -> str:
    columns = ", ".join(f"{name} {_TYPES.get(name, 'text')}" for name in names)
    return f"jsonb_to_recordset(CAST(:rows AS jsonb)) AS given ({columns})"


def _run(connection: Connection, statement: Any, rows: Sequence[StoredVersion], names: Sequence[str]) -> None:
    for first in range(0, len(rows), _BATCH):
        batch = [{name: getattr(row, name) for name in names} for row in rows[first : first + _BATCH]]
        connection.execute(statement, {"rows": orjson.dumps(batch, default=bytes.hex).decode()})
