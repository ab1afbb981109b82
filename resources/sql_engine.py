"""A SQLAlchemy engine for one connection, and a read-only transaction on it that ends by itself.

PostgreSQL is told to cancel a statement after the loader's patience, SQLite is interrupted by its progress handler. Other
databases are opened as their dialect does; their patience is checked between pages.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Engine, create_engine, event, make_url, text
from sqlalchemy import Connection as SqlConnection
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from domain.errors import SourceUnreachableError
from domain.loaders.definition import Connection
from resources.outgoing_http import Deadline
from resources.secret_registry import mask_secrets
from resources.sql_errors import translate_sql_error

CONNECT_TIMEOUT_S = 5
_SQLITE_STEPS = 20_000


def open_engine(connection: Connection) -> Engine:
    """The engine of a connection; no connection is made yet.

    Raises:
        SourceUnreachableError: not a database URL, or its driver is not installed.
    """
    try:
        url = _complete_url(make_url(connection.url), connection)
        engine = create_engine(url, pool_pre_ping=True, connect_args=_connect_args(url), pool_size=4, max_overflow=12)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, TypeError) as error:
        raise SourceUnreachableError(
            f"no database can be opened by this url: {mask_secrets(' '.join(str(error).split(' from ')[0].split()))[:200]}",
            suggestion="write the url as dialect://host:port/database and install the driver of the dialect",
        ) from None
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _make_read_only)
    return engine


@contextmanager
def reading(engine: Engine, *, deadline: Deadline) -> Iterator[SqlConnection]:
    """A read-only transaction until the deadline, rolled back at the end; errors inside leave it translated.

    Raises:
        SourceError: as `translate_sql_error` says.
    """
    backend, is_connected = engine.url.get_backend_name(), False
    try:
        with engine.connect() as connection:
            is_connected = True
            if backend == "postgresql":
                connection.execution_options(postgresql_readonly=True)
                connection.execute(text(f"SET LOCAL statement_timeout = {max(1, int(deadline.remaining_s() * 1_000))}"))
            if backend == "sqlite":
                driver: Any = connection.connection.driver_connection
                driver.set_progress_handler(lambda: deadline.remaining_s() == 0, _SQLITE_STEPS)
            yield connection
    except SQLAlchemyError as error:
        raise translate_sql_error(error, engine.url, timeout_s=deadline.timeout_s, is_connected=is_connected) from None


def _complete_url(url: URL, connection: Connection) -> URL:
    if url.get_backend_name() == "sqlite":
        return _read_only_file(url)
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    if connection.username is not None:
        url = url.set(username=connection.username)
    if connection.password is not None:
        url = url.set(password=connection.password.get_secret_value())
    if url.get_backend_name() == "postgresql" and connection.ca_file:
        url = url.update_query_dict({"sslmode": "verify-full", "sslrootcert": connection.ca_file})
    return url


def _read_only_file(url: URL) -> URL:
    """A missing file must be an error: SQLite would create it. Credentials mean nothing to it."""
    if not url.database or url.database.startswith((":", "file:")):
        return url
    return URL.create(
        url.drivername, database=f"file:{quote(url.database)}", query={**url.query, "mode": "ro", "uri": "true"}
    )


def _connect_args(url: URL) -> dict[str, Any]:
    if url.get_backend_name() == "postgresql":
        return {"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "etlmon"}
    return {}


def _make_read_only(driver: Any, _: Any) -> None:
    driver.execute("PRAGMA query_only = ON")
