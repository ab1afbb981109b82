"""Reading loader versions: one, all of a loader, summaries of many."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine

from domain.errors import NotFoundError
from domain.loaders.lifecycle import Decision, VersionFacts
from domain.vocabulary import VersionState
from resources.loaders.definition_codec import DefinitionCodec
from resources.loaders.listing import LoaderPage, list_loaders, read_summary
from resources.loaders.records import VersionRecord
from resources.loaders.version_rows import StoredVersion, count_versions, read_facts, read_versions
from resources.postgres.engine import reading, transaction


class VersionReader:
    """What can be asked of versions without changing any."""

    def __init__(self, engine: Engine, codec: DefinitionCodec) -> None:
        self._engine = engine
        self.codec = codec

    def get(self, code: str, version: int) -> VersionRecord:
        """One version.

        Raises:
            NotFoundError: no such loader or version.
        """
        with transaction(self._engine) as connection:
            return self._record(self._row(connection, code, version))

    def list_versions(self, code: str, *, limit: int = 100, offset: int = 0) -> tuple[list[VersionRecord], int]:
        """Versions of a loader, the newest first, and how many there are.

        Raises:
            NotFoundError: no such loader.
        """
        with transaction(self._engine) as connection:
            total = count_versions(connection, code)
            if not total:
                raise no_loader(code)
            condition = "code = :code ORDER BY version DESC LIMIT :limit OFFSET :offset"
            rows = read_versions(connection, condition, code=code, limit=limit, offset=offset)
            return [self._record(row) for row in rows], total

    def list_facts(self, code: str) -> list[VersionFacts]:
        """What decisions need of every version of a loader, oldest first; empty when there is no such loader."""
        with transaction(self._engine) as connection:
            return read_facts(connection, code)

    def get_summary(self, code: str) -> dict[str, Any]:
        """The loader as `list_loaders` shows it.

        Raises:
            NotFoundError: no such loader.
        """
        with reading(self._engine) as connection:
            summary = read_summary(connection, code)
        if summary is None:
            raise no_loader(code)
        return summary

    def list_loaders(
        self,
        *,
        search: str = "",
        state: VersionState | None = None,
        source: str = "",
        owner: str = "",
        has_pending: bool | None = None,
        sort: str = "code",
        limit: int = 100,
        offset: int = 0,
    ) -> LoaderPage:
        """Summaries of loaders and how many match in all; see `resources.loaders.listing`."""
        with reading(self._engine) as connection:
            return list_loaders(
                connection,
                search=search,
                state=state,
                source=source,
                owner=owner,
                has_pending=has_pending,
                sort=sort,
                limit=limit,
                offset=offset,
            )

    def _row(self, connection: Connection, code: str, version: int) -> StoredVersion:
        rows = read_versions(connection, "code = :code AND version = :version", code=code, version=version)
        if not rows:
            raise NotFoundError(
                f"no version {version} of the loader {code}", suggestion=f"see GET /api/v1/loaders/{code}/versions"
            )
        return rows[0]

    def _document(self, row: StoredVersion) -> dict[str, Any]:
        return self.codec.decode_document(
            row.code, row.version, body=row.definition, secret=row.secret, content_hash=row.content_hash
        )

    def _record(self, row: StoredVersion) -> VersionRecord:
        return VersionRecord(
            code=row.code,
            version=row.version,
            state=VersionState(row.state),
            revision=row.revision,
            definition=self.codec.decode(
                row.code, row.version, body=row.definition, secret=row.secret, content_hash=row.content_hash
            ),
            content_hash=row.content_hash,
            authors=tuple(row.authors),
            created_by=row.created_by,
            created_at=row.created_at,
            updated_at=row.updated_at,
            submitted_by=row.submitted_by,
            submitted_at=row.submitted_at,
            submitted_hash=row.submitted_hash,
            decided_by=row.decided_by,
            decided_at=row.decided_at,
            decision=Decision(row.decision) if row.decision else None,
            decision_reason=row.decision_reason,
            activated_at=row.activated_at,
            archived_at=row.archived_at,
            based_on=row.based_on,
        )


def no_loader(code: str) -> NotFoundError:
    """The error for a loader that does not exist."""
    return NotFoundError(f"no loader {code}", suggestion="GET /api/v1/loaders lists them, `etlmon loader list` too")
