"""SQLAlchemy engines and transactions on the records database. Vendor errors end here."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, DisconnectionError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from domain.errors import ConflictError, EtlmonError, StorageError, StorageFullError, StorageUnavailableError
from resources.postgres.url import RECORDS_SCHEMA, DatabaseUrl

_DISK_FULL = "53100"
_RESTED_S = 1.0


def make_engine(url: DatabaseUrl, **options: Any) -> Engine:
    """An engine whose connections see the records schema first. Connecting happens at first use.

    A connection that has rested for a second is tried before it is used, so that a restart of the server goes unnoticed; one
    just used is not, because asking costs as much as a small query.
    """
    engine = create_engine(
        url.sqlalchemy(),
        pool_recycle=1800,
        connect_args={"connect_timeout": 5, "options": f"-c search_path={RECORDS_SCHEMA} -c timezone=UTC"},
        **options,
    )
    event.listen(engine, "checkout", _try_rested_connection)
    event.listen(engine, "checkin", _note_rest)
    return engine


def _note_rest(_: Any, record: Any) -> None:
    record.info["rests_since"] = time.monotonic()


def _try_rested_connection(connection: Any, record: Any, _: Any) -> None:
    if time.monotonic() - record.info.get("rests_since", float("inf")) < _RESTED_S:
        return
    try:
        connection.execute("SELECT 1")
        connection.rollback()
    except psycopg.Error as error:
        raise DisconnectionError from error


def translate_database_error(error: DBAPIError) -> EtlmonError:
    """PostgreSQL's failure in the words of our tree."""
    state = getattr(error.orig, "sqlstate", None) or ""
    first_line = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
    if isinstance(error, IntegrityError):
        return ConflictError(f"the database refused the change: {first_line}", suggestion="reload and try again")
    if state == _DISK_FULL:
        return StorageFullError(f"PostgreSQL has no space left: {first_line}", suggestion="free disk space, then retry")
    if error.connection_invalidated or state[:2] in {"08", "57"} or not state:
        return StorageUnavailableError(
            f"PostgreSQL is not available: {first_line}", suggestion="is it running? `etlmon doctor` looks closer"
        )
    return StorageError(
        f"PostgreSQL refused a statement: {first_line}", suggestion="this is a defect, please report it"
    )


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Single SELECTs without a transaction about them: a third of the round trips. Never for anything that writes.

    Raises:
        as `transaction`.
    """
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield connection
    except DBAPIError as error:
        raise translate_database_error(error) from error
    except PoolTimeoutError as error:
        raise _all_in_use() from error


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction, committed when the block ends well.

    Raises:
        StorageUnavailableError, StorageFullError, ConflictError, StorageError: instead of the driver's errors.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except DBAPIError as error:
        raise translate_database_error(error) from error
    except PoolTimeoutError as error:
        raise _all_in_use() from error


def _all_in_use() -> StorageUnavailableError:
    return StorageUnavailableError(
        "every connection of this process to PostgreSQL is in use", suggestion="try again; fewer requests at a time"
    )
