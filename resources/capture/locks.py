"""One capture per loader at a time, across all processes: advisory locks that die with their holder."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg

from domain.errors import ConflictError, StorageUnavailableError
from resources.postgres.url import DatabaseUrl

_CLASS = 0x6574  # first key of the two-key form, so that loader locks never meet other advisory locks


def _key(code: str) -> int:
    return zlib.crc32(code.encode()) - 2**31


class LoaderLocks:
    """The loaders this process may capture."""

    def __init__(self, connection: psycopg.Connection[tuple[object, ...]], codes: set[str]) -> None:
        self._connection = connection
        self.codes = codes

    def assert_held(self) -> None:
        """Make sure that the locks were not lost with their connection since they were taken.

        Raises:
            StorageUnavailableError: PostgreSQL restarted meanwhile; nothing may be committed under these locks.
        """
        try:
            self._connection.execute("SELECT 1")
        except psycopg.OperationalError as error:
            raise StorageUnavailableError(
                "PostgreSQL went away during the capture",
                suggestion="nothing is lost: the windows stay due for the next run",
            ) from error


@contextmanager
def hold_loader_locks(url: DatabaseUrl, codes: list[str], *, is_waiting: bool = False) -> Iterator[LoaderLocks]:
    """Take the locks of the loaders; those held elsewhere are left out, or waited for with `is_waiting`.

    Raises:
        ConflictError: `is_waiting` and another capture held a loader for ten minutes.
        StorageUnavailableError: PostgreSQL is not there.
    """
    try:
        connection = psycopg.connect(url.libpq(), autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as error:
        raise StorageUnavailableError(
            "PostgreSQL is not available", suggestion="is it running? `etlmon doctor` looks closer"
        ) from error
    try:
        yield LoaderLocks(connection, _take(connection, codes, is_waiting=is_waiting))
    finally:
        # the server notices a closed connection only when it gets to it: until then the next capture would find them taken
        with suppress(psycopg.Error):
            connection.execute("SELECT pg_advisory_unlock_all()")
        connection.close()  # gives the locks back even where the connection has broken meanwhile


def _take(connection: psycopg.Connection[tuple[object, ...]], codes: list[str], *, is_waiting: bool) -> set[str]:
    function = "pg_advisory_lock" if is_waiting else "pg_try_advisory_lock"
    try:
        if is_waiting:
            connection.execute("SET lock_timeout = '10min'")
        return {
            code
            for code in sorted(codes)
            if connection.execute(f"SELECT {function}(%s, %s)", [_CLASS, _key(code)]).fetchone() != (False,)
        }
    except psycopg.errors.LockNotAvailable as error:
        raise ConflictError(
            "another capture has held one of the loaders for ten minutes",
            suggestion="see `etlmon status`, then retry",
        ) from error
    except psycopg.OperationalError as error:
        raise StorageUnavailableError(
            "PostgreSQL went away while the capture began",
            suggestion="nothing is lost: the windows stay due for the next run",
        ) from error
