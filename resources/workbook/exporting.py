"""Loaders out of the database as their reader may see them, one version per loader, some hundred at a time (A8)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text

from domain.access.field_protection import Effect, protect
from domain.errors import NotFoundError
from domain.vocabulary import VersionState
from resources.loaders.definition_codec import DefinitionCodec
from resources.loaders.records import showable
from resources.loaders.version_rows import read_versions

_BATCH = 500
#: The newest version of each loader in a state; `codes` null means all.
_CHOSEN = "FROM loader_versions WHERE state = :state AND (CAST(:codes AS text[]) IS NULL OR code = ANY(CAST(:codes AS text[])))"


def require_codes(connection: Connection, codes: Sequence[str], *, state: VersionState) -> int:
    """How many loaders the choice has; no codes choose all that have a version in the state.

    Raises:
        NotFoundError: a code that was asked for has no version in the state.
    """
    values = {"state": state.value, "codes": sorted(set(codes)) or None}
    found = set(connection.execute(text(f"SELECT DISTINCT code {_CHOSEN}"), values).scalars())
    missing = sorted(set(codes) - found)
    if missing:
        raise NotFoundError(
            f"no {state.value} version of {', '.join(missing[:5])}{' and others' if len(missing) > 5 else ''}",
            suggestion="GET /api/v1/loaders lists the loaders and the states of their versions",
        )
    return len(found)


def read_documents(
    connection: Connection,
    codec: DefinitionCodec,
    codes: Sequence[str],
    *,
    state: VersionState,
    effects: Mapping[str, Effect],
    progress: Callable[[int], None] | None = None,
) -> Iterator[dict[str, Any]]:
    """Documents by code, protected for the role whose effects these are. `progress` hears how many went out."""
    values = {"state": state.value, "codes": sorted(set(codes)) or None}
    condition = (
        f"(code, version) IN (SELECT code, max(version) {_CHOSEN} AND code > :after GROUP BY code ORDER BY code"
        f" LIMIT {_BATCH}) ORDER BY code"
    )
    after, count = "", 0
    while rows := read_versions(connection, condition, after=after, **values):
        for row in rows:
            document = codec.decode_document(
                row.code, row.version, body=row.definition, secret=row.secret, content_hash=row.content_hash
            )
            yield protect(showable(document), effects)
        after, count = rows[-1].code, count + len(rows)
        if progress is not None:
            progress(count)
