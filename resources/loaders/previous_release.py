"""Rows that release 0.1 wrote: password alone encrypted, headers in clear, fingerprint without secrets. Rewritten at start-up."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, Engine

from domain.loaders.definition import LoaderDefinition
from resources.loaders.definition_codec import SCHEME, DefinitionCodec
from resources.loaders.version_rows import StoredVersion, hold_loaders, read_versions, update_versions
from resources.postgres.engine import make_engine, transaction
from resources.postgres.url import DatabaseUrl
from resources.settings import Settings

_OLD = f"content_hash NOT LIKE '{SCHEME}%'"


def rewrite_old_rows(engine: Engine, codec: DefinitionCodec) -> int:
    """Encrypt whole connections and give every row its keyed fingerprint; how many rows. Again, or at once elsewhere: 0."""
    with transaction(engine) as connection:
        if not (codes := _codes_of_old(connection)):
            return 0
        hold_loaders(connection, codes)
        rows = [_rewrite(row, codec) for row in read_versions(connection, f"{_OLD} ORDER BY code, version")]
        update_versions(connection, rows, has_new_contents=True)
    return len(rows)


def _codes_of_old(connection: Connection) -> set[str]:
    return {row.code for row in read_versions(connection, _OLD)}


def _rewrite(row: StoredVersion, codec: DefinitionCodec) -> StoredVersion:
    document = codec.decode_document(
        row.code, row.version, body=row.definition, secret=row.secret, content_hash=row.content_hash
    )
    definition = LoaderDefinition.model_validate(document)
    contents, secret = codec.encode(definition, version=row.version)
    content = codec.fingerprint(definition)
    return replace(
        row,
        definition=contents,
        secret=secret,
        content_hash=content,
        submitted_hash=content if row.submitted_hash else None,
    )


def bring_rows_up(settings: Settings, url: DatabaseUrl) -> None:
    """The data step after the migrations, at every start."""
    from resources.loaders.versions import load_loader_versions

    engine = make_engine(url)
    try:
        with transaction(engine) as connection:
            is_needed = bool(_codes_of_old(connection))
        if is_needed:
            load_loader_versions(settings.home, engine).rewrite_old_rows()
    finally:
        engine.dispose()
