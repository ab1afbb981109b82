"""Brings a database to the present schema. Forward only; safe to call from many processes at once."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

from resources.postgres.engine import make_engine, transaction
from resources.postgres.url import DAGSTER_SCHEMA, LAKE_SCHEMA, RECORDS_SCHEMA, DatabaseUrl

_LOCK = 4_918_233_001


def migrate(url: DatabaseUrl, *, to: str = "head") -> None:
    """Create the schemas and apply every pending migration, in one transaction under an advisory lock.

    Args:
        to: the revision to stop at; tests bring a database to a release of the past with it.

    Raises:
        StorageUnavailableError: the server is not there.
        StorageError: the role may not create schemas; the reason has PostgreSQL's words.
    """
    from alembic import command
    from alembic.config import Config

    engine = make_engine(url)
    try:
        with transaction(engine) as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            for schema in (RECORDS_SCHEMA, DAGSTER_SCHEMA, LAKE_SCHEMA):
                connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {schema}"))
            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
            config.attributes["connection"] = connection
            command.upgrade(config, to)
    finally:
        engine.dispose()


def head_revision() -> str:
    """The newest migration in the code."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory(str(Path(__file__).parent / "migrations")).get_current_head() or ""


def current_revision(url: DatabaseUrl) -> str:
    """The migration the database is at; empty when it has none."""
    engine = make_engine(url)
    try:
        with transaction(engine) as connection:
            exists = connection.execute(
                text("SELECT to_regclass(:name)"), {"name": f"{RECORDS_SCHEMA}.alembic_version"}
            )
            if exists.scalar() is None:
                return ""
            return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")
    finally:
        engine.dispose()
