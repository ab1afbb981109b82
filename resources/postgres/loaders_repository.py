"""The ACTIVE loader versions, ready to run: what capture and the push door read. Versions change in `resources.loaders` only."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine

from domain.loaders.definition import LoaderDefinition
from resources.encryption import Cipher
from resources.loaders.definition_codec import DefinitionCodec
from resources.loaders.version_rows import StoredVersion, read_versions
from resources.postgres.engine import transaction


@dataclass(frozen=True, slots=True)
class ActiveLoader:
    """An ACTIVE version, ready to run."""

    definition: LoaderDefinition
    version: int


class LoadersRepository:
    """Reads ACTIVE versions; nothing that is only proposed is ever seen here."""

    def __init__(self, engine: Engine, cipher: Cipher) -> None:
        self._engine = engine
        self._codec = DefinitionCodec(cipher, b"")  # nothing is written, so nothing is fingerprinted

    def list_active(self) -> list[ActiveLoader]:
        """All ACTIVE versions by code, secrets decrypted."""
        with transaction(self._engine) as connection:
            rows = read_versions(connection, "state = 'ACTIVE' ORDER BY code")
        return [ActiveLoader(self._read(row), row.version) for row in rows]

    def _read(self, row: StoredVersion) -> LoaderDefinition:
        return self._codec.decode(
            row.code, row.version, body=row.definition, secret=row.secret, content_hash=row.content_hash
        )
