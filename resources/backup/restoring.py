"""Bringing a backup into an empty home: verified first, loaded in one transaction, counted at the end."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from domain.errors import ConflictError, EtlmonError, StorageError, StorageFullError, StorageUnavailableError
from resources.backup.lake_files import check_lake_is_local
from resources.backup.manifest import CONNECTIONS, DUMP, LAKE, SECRETS, Manifest
from resources.backup.reading import Progress, unpack_backup
from resources.lake.connection import open_lake
from resources.platform import open_database, prepare_storage
from resources.postgres.embedded import client_programs, remove_server_data
from resources.postgres.url import DatabaseUrl
from resources.settings import Settings

_OURS = "SELECT nspname FROM pg_namespace WHERE nspname IN ('etlmon', 'dagster', 'lake') ORDER BY 1"
_NEW_PLACE = "UPDATE lake.ducklake_metadata SET value = %s WHERE key = 'data_path'"
_FORGET_OLD_FILES = "DELETE FROM lake.ducklake_files_scheduled_for_deletion"  # they are not in a backup


def restore_backup(source: Path, settings: Settings, *, progress: Progress | None = None) -> Manifest:
    """Database, lake, secrets and connections of a backup in an empty home; what failed half way is removed again.

    With ETLMON_DATABASE_URL set, that database must hold nothing of ours; otherwise the embedded one is made.

    Raises:
        ConflictError: the home or the database is in use.
        InputDataError: the file is damaged, altered, truncated or of another format; nothing was changed.
        StorageError and its subclasses: PostgreSQL or the disk cannot take it.
    """
    check_lake_is_local(settings)
    _check_home_is_empty(settings)
    with _emptied_on_failure(settings), tempfile.TemporaryDirectory(dir=settings.home, prefix=".restore-") as name:
        folder = Path(name)
        manifest = unpack_backup(source, folder, progress=progress)
        with open_database(settings) as url:
            _check_database_is_empty(url)
            _load(url, folder / DUMP)
            try:
                _move_files(folder, settings)
                _point_to_lake(url, settings)
                prepare_storage(settings, url)
                _check_count(settings, url, manifest)
            except BaseException:
                _drop_schemas(url)
                raise
    return manifest


def _check_home_is_empty(settings: Settings) -> None:
    lake = Path(settings.lake_data_path)
    taken = [settings.home / name for name in ("instance_id", "secrets", "postgres") if (settings.home / name).exists()]
    taken += [lake] if lake.is_dir() and any(lake.iterdir()) else []
    if taken:
        raise ConflictError(
            f"{taken[0]} is there already: a backup is restored into an empty home only",
            suggestion="give --home a folder that does not exist yet",
        )


def _check_database_is_empty(url: DatabaseUrl) -> None:
    with _connected(url) as connection:
        found = [str(row[0]) for row in connection.execute(_OURS)]
    if found:
        raise ConflictError(
            f"the database holds the schemas {', '.join(found)} already",
            suggestion="point ETLMON_DATABASE_URL to an empty database, or unset it",
        )


@contextmanager
def _emptied_on_failure(settings: Settings) -> Iterator[None]:
    """Leave a home as empty as it was when the block fails."""
    lake = Path(settings.lake_data_path)
    before = set(settings.home.iterdir()) if settings.home.exists() else None
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException as error:
        if settings.database_url is None and (settings.home / "instance_id").exists():
            remove_server_data(settings.home)
        if lake.is_dir():
            shutil.rmtree(lake)
        for path in set(settings.home.glob("*")) - (before or set()):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if before is None and settings.home.is_dir():
            settings.home.rmdir()
        if isinstance(error, OSError):
            kind = StorageFullError if error.errno in {28, 27, 122} else StorageError
            raise kind(
                f"the home cannot be written: {error}", suggestion="choose a folder with space that you may write to"
            ) from error
        raise


@contextmanager
def _connected(url: DatabaseUrl) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    try:
        with psycopg.connect(url.libpq(), connect_timeout=5) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise StorageUnavailableError(
            "PostgreSQL is not available", suggestion="check ETLMON_DATABASE_URL, then restore again"
        ) from error


def _load(url: DatabaseUrl, dump: Path) -> None:
    safe = url.without_password().libpq()  # a command line can be read by everybody on the machine
    options = ["--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction", "--dbname", safe, str(dump)]
    done = subprocess.run(  # noqa: S603
        [str(client_programs() / "pg_restore"), *options],
        env={**os.environ, "PGPASSWORD": url.password or ""},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        words = " ".join(done.stderr.split())[-400:]
        kind: type[EtlmonError] = StorageFullError if "No space left" in words else StorageError
        raise kind(
            f"pg_restore failed: {words}", suggestion="check space and the version of PostgreSQL, then try again"
        )


def _move_files(folder: Path, settings: Settings) -> None:
    lake = Path(settings.lake_data_path)
    lake.mkdir(parents=True, exist_ok=True)
    if (folder / LAKE).is_dir():
        for path in (folder / LAKE).iterdir():
            shutil.move(path, lake / path.name)
    (settings.home / "secrets").mkdir(mode=0o700)
    if (folder / SECRETS).is_dir():
        for path in (folder / SECRETS).iterdir():
            path.rename(settings.home / "secrets" / path.name)
    if (folder / CONNECTIONS).exists():
        (folder / CONNECTIONS).rename(settings.home / CONNECTIONS)


def _point_to_lake(url: DatabaseUrl, settings: Settings) -> None:
    with _connected(url) as connection:
        connection.execute(_NEW_PLACE, [settings.lake_data_path])
        connection.execute(_FORGET_OLD_FILES)


def _drop_schemas(url: DatabaseUrl) -> None:
    with _connected(url) as connection:
        connection.execute("DROP SCHEMA IF EXISTS etlmon, dagster, lake CASCADE")


def _check_count(settings: Settings, url: DatabaseUrl, manifest: Manifest) -> None:
    with open_lake(settings, url, is_read_only=True) as lake:
        found = int(lake.query("SELECT count(*) AS n FROM signals")["n"][0])
    if found != manifest.signals:
        raise StorageError(
            f"{found} signals were restored, the backup was made of {manifest.signals}",
            suggestion="keep the backup and report this defect; the home was left empty",
        )
