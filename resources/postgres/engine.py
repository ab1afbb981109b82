"""SQLAlchemy engines and transactions on the records database. Vendor errors end here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from domain.errors import ConflictError, EtlmonError, StorageError, StorageFullError, StorageUnavailableError
from resources.postgres.url import RECORDS_SCHEMA, DatabaseUrl

_DISK_FULL = "53100"


def make_engine(url: DatabaseUrl, **options: Any) -> Engine:
    """An engine whose connections see the records schema first. Connecting happens at first use."""
    return create_engine(
        url.sqlalchemy(),
        pool_pre_ping=True,
        pool_recycle=1800,
        connect_args={"connect_timeout": 5, "options": f"-c search_path={RECORDS_SCHEMA} -c timezone=UTC"},
        **options,
    )


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
        raise StorageUnavailableError(
            "every connection of this process to PostgreSQL is in use", suggestion="try again; fewer requests at a time"
        ) from error
