"""One process's door to the lake: an in-memory DuckDB with the DuckLake catalog attached.

Readers run on cursors at any time. Writers name the tables' lock: transactions under one lock run one after the other
across all processes (an advisory lock in PostgreSQL, released by the death of its holder), so that a replace never
collides with a compaction. A transaction that still meets a conflict is run again.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TextIO, TypeVar

import duckdb

from domain.errors import EtlmonError, InputDataError, StorageError, StorageFullError, StorageUnavailableError
from resources.postgres.url import LAKE_SCHEMA, DatabaseUrl
from resources.settings import Settings

if TYPE_CHECKING:
    import polars as pl

T = TypeVar("T")
_INLINE_ROWS = 5_000
_ATTEMPTS = 6


def extension_path(name: str) -> Path | None:
    """The extension's file in its wheel; None where the wheel is missing (DuckDB then installs it itself)."""
    spec = find_spec(f"duckdb_extension_{name}")
    if spec is None or not spec.submodule_search_locations:
        return None
    root = Path(spec.submodule_search_locations[0])
    path = root / "extensions" / f"v{version('duckdb')}" / f"{name}.duckdb_extension"
    return path if path.exists() else None


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def translate_lake_error(error: duckdb.Error) -> EtlmonError:
    """DuckDB's failure in the words of our tree."""
    words = " ".join(str(error).partition("Stack Trace:")[0].split())
    low = words.lower()
    if isinstance(error, duckdb.InternalException | duckdb.FatalException):
        # DuckLake 1.5 trips over a catalog connection that breaks while it reads: the next opening of the lake works
        return StorageUnavailableError(
            f"DuckDB failed inside, most often because its catalog went away: {words[:200]}",
            suggestion="is PostgreSQL running? Try again; if it stays, please report it",
        )
    if any(part in low for part in ("no space left", "disk full", "file too large", "quota exceeded")):
        return StorageFullError(f"the lake has no space left: {words[:300]}", suggestion="free disk space, then retry")
    if any(
        part in low
        for part in (
            "could not connect",
            "server closed",
            "terminating connection",
            "unable to connect",
            "connection refused",
            "no connection",
            "starting up",
            "shutting down",
        )
    ):
        return StorageUnavailableError(
            "the catalog of the lake (PostgreSQL) is not available",
            suggestion="is it running? `etlmon doctor` looks closer",
        )
    return StorageError(f"the lake refused: {words[:500]}", suggestion="check the statement and the lake's folder")


class Lake:
    """An open lake. Not for sharing between threads: give each thread `cursor()`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, url: DatabaseUrl) -> None:
        self._connection = connection
        self._url = url

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The DuckDB connection, `lake` being the current catalog."""
        return self._connection

    def cursor(self) -> Lake:
        """A second connection to the same lake for another thread."""
        cursor = self._connection.cursor()
        cursor.execute("USE lake")
        cursor.execute("SET TimeZone = 'UTC'")
        return Lake(cursor, self._url)

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def query(self, sql: str, parameters: list[Any] | dict[str, Any] | None = None) -> pl.DataFrame:
        """Rows of a SELECT as a polars frame.

        Raises:
            StorageError and its subclasses.
        """
        try:
            table = self._connection.execute(sql, parameters).to_arrow_table()
        except duckdb.Error as error:
            raise translate_lake_error(error) from error
        return _as_frame(table)

    def instant(self, sql: str, parameters: list[Any] | None = None) -> datetime | None:
        """The one instant that a SELECT answers; None for NULL."""
        try:
            row = self._connection.execute(sql, parameters).fetchone()
        except duckdb.Error as error:
            raise translate_lake_error(error) from error
        found: datetime | None = row[0].astimezone(UTC) if row and row[0] is not None else None
        return found

    def relation(self, sql: str) -> Answered:
        """A SELECT of a user's hand, to be shown or written.

        Raises:
            InputDataError: DuckDB's words about the statement.
        """
        try:
            return Answered(self._connection.sql(sql))
        except duckdb.Error as error:
            raise InputDataError(
                " ".join(str(error).split())[:500], suggestion="`SHOW TABLES` lists what there is"
            ) from error

    def execute(self, sql: str, parameters: list[Any] | dict[str, Any] | None = None) -> None:
        """A statement without rows to read."""
        try:
            self._connection.execute(sql, parameters).fetchall()
        except duckdb.Error as error:
            raise translate_lake_error(error) from error

    def insert(self, table: str, frame: pl.DataFrame) -> int:
        """Append a frame by column name; returns the number of rows. Belongs inside `write`."""
        if frame.is_empty():
            return 0
        self._connection.register("_incoming", frame.to_arrow())
        try:
            self.execute(f"INSERT INTO {table} BY NAME SELECT * FROM _incoming")
        finally:
            self._connection.unregister("_incoming")
        return frame.height

    @contextmanager
    def staged(self, name: str, frame: pl.DataFrame) -> Iterator[str]:
        """A frame visible to SQL as a table of that name."""
        self._connection.register(name, frame.to_arrow())
        try:
            yield name
        finally:
            self._connection.unregister(name)

    def write(self, lock: str, work: Callable[[Lake], T]) -> T:
        """Run `work` in one transaction under the named lock; all of it or nothing is there afterwards.

        `work` may run more than once and must only touch this lake.

        Raises:
            StorageError and its subclasses; what `work` raises.
        """
        with self._locked(lock):
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    return self._transaction(work)
                except StorageError as error:
                    if "conflict" not in str(error).lower() or attempt == _ATTEMPTS:
                        raise
        raise AssertionError("unreachable")

    def _transaction(self, work: Callable[[Lake], T]) -> T:
        self.execute("BEGIN")
        try:
            result = work(self)
            self.execute("COMMIT")
        except BaseException:
            with suppress(duckdb.Error):  # a failed COMMIT has already ended the transaction
                self._connection.execute("ROLLBACK")
            raise
        return result

    @contextmanager
    def _locked(self, lock: str) -> Iterator[None]:
        import psycopg

        key = zlib.crc32(f"lake:{lock}".encode())
        unavailable = StorageUnavailableError(
            "the catalog of the lake (PostgreSQL) is not available",
            suggestion="is it running? `etlmon doctor` looks closer",
        )
        try:
            connection = psycopg.connect(self._url.libpq(), autocommit=True, connect_timeout=5)
        except psycopg.OperationalError as error:
            raise unavailable from error
        try:
            try:
                connection.execute("SELECT pg_advisory_lock(%s)", [key])
            except psycopg.OperationalError as error:
                raise unavailable from error
            yield
        finally:
            connection.close()  # gives the lock back


def _as_frame(table: Any) -> pl.DataFrame:
    import polars as pl  # here, so that a command that only shows rows starts without it

    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


class Answered:
    """The rows of a user's SELECT."""

    def __init__(self, relation: duckdb.DuckDBPyRelation) -> None:
        self._relation = relation

    def show_text(self, limit: int) -> str:
        """A box drawn around the first rows.

        Raises:
            InputDataError: a value cannot be computed.
        """
        try:
            return str(self._relation.limit(limit).execute())
        except duckdb.Error as error:
            raise InputDataError(" ".join(str(error).split())[:500], suggestion="check the statement") from error

    def write(self, form: str, path: str | None, stream: TextIO) -> None:
        """All rows as csv, json (one array) or parquet, to a file or a stream.

        Raises:
            InputDataError: a value cannot be computed (a cast in the statement fails half way).
        """
        options = {
            "csv": "FORMAT csv, HEADER",
            "json": "FORMAT json, ARRAY true",
            "parquet": "FORMAT parquet",
            "table": "FORMAT csv",
        }
        try:
            if path is not None:
                self._relation.query("answer", f"COPY answer TO {_quote(path)} ({options[form]})")
                return
            with tempfile.TemporaryDirectory() as folder:  # DuckDB writes faster than any loop over rows here
                answer = Path(folder) / "answer"
                self._relation.query("answer", f"COPY answer TO {_quote(str(answer))} ({options[form]})")
                with answer.open(encoding="utf-8") as rows:
                    shutil.copyfileobj(rows, stream)
        except duckdb.Error as error:
            raise InputDataError(" ".join(str(error).split())[:500], suggestion="check the statement") from error


def open_lake(settings: Settings, url: DatabaseUrl, *, is_read_only: bool = False) -> Lake:
    """Attach the lake. The catalog's schema must exist (`resources.postgres.migrate`).

    Raises:
        StorageUnavailableError: PostgreSQL is not there.
        StorageError: the folder cannot be used.
    """
    threads = settings.lake_threads or min(4, os.cpu_count() or 1)
    config: dict[str, Any] = {
        "temp_directory": str(settings.home / "tmp"),
        "threads": threads,
        "memory_limit": settings.lake_memory,
        "autoinstall_known_extensions": False,
    }
    connection = duckdb.connect(config=config)
    try:
        for name in ("postgres_scanner", "ducklake", *(("httpfs",) if "://" in settings.lake_data_path else ())):
            path = extension_path(name)
            connection.execute(f"LOAD {_quote(str(path))}" if path else f"INSTALL {name}; LOAD {name}")
        options = [
            f"DATA_PATH {_quote(settings.lake_data_path)}",
            f"METADATA_SCHEMA {_quote(LAKE_SCHEMA)}",
            f"DATA_INLINING_ROW_LIMIT {_INLINE_ROWS}",
            *(["READ_ONLY"] if is_read_only else []),
        ]
        if "://" not in settings.lake_data_path:
            Path(settings.lake_data_path).mkdir(parents=True, exist_ok=True)
        connection.execute(f"ATTACH {_quote('ducklake:postgres:' + url.libpq())} AS lake ({', '.join(options)})")
        connection.execute("USE lake")
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET ducklake_max_retry_count = 100")
        with suppress(
            duckdb.InvalidInputException
        ):  # a notebook without widgets has no bar and refuses to switch it off
            connection.execute("SET enable_progress_bar = false")  # it would be drawn into the answer of `etlmon query`
    except duckdb.Error as error:
        connection.close()
        raise translate_lake_error(error) from error
    except OSError as error:
        connection.close()
        raise StorageError(
            f"the folder of the lake cannot be made: {error}", suggestion="check ETLMON_HOME and its permissions"
        ) from error
    return Lake(connection, url)


def check_select(sql: str) -> None:
    """Refuse anything but one SELECT from a user's hand.

    Raises:
        InputDataError: naming what stands there instead.
    """
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise InputDataError(
            f"the SQL cannot be read: {' '.join(str(error).split())[:300]}",
            suggestion="check the spelling near the place named",
        ) from error
    allowed = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
    if len(statements) != 1 or statements[0].type not in allowed:
        raise InputDataError("only one SELECT is allowed here", suggestion="write a single SELECT, DESCRIBE or SHOW")
