"""Writing a backup while the platform runs: one database snapshot decides what belongs to it, files are immutable."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import psycopg

from domain.errors import StorageError, StorageFullError, StorageUnavailableError
from resources.backup.lake_files import check_files_exist, check_lake_is_local, list_lake_files
from resources.backup.manifest import CONNECTIONS, DUMP, LAKE, MANIFEST, SECRETS, BackupFile, Manifest
from resources.lake.connection import Lake
from resources.postgres.embedded import client_programs
from resources.postgres.url import DatabaseUrl
from resources.settings import Settings

#: Called with (bytes done, bytes in all).
Progress = Callable[[int, int], None]
_NEWEST_SNAPSHOT = "SELECT max(snapshot_id) FROM lake.ducklake_snapshot"


def write_backup(
    settings: Settings, url: DatabaseUrl, lake: Lake, target: Path, *, at: datetime, progress: Progress | None = None
) -> Manifest:
    """A consistent copy of database, lake, secrets and connections in one tar file of mode 0600.

    Captures go on meanwhile: what they add is not in the copy. The file appears under its name when it is complete.

    Raises:
        StorageError: a file of the lake is gone, or pg_dump fails.
        StorageFullError: no space for the copy.
        StorageUnavailableError: PostgreSQL went away.
        ConfigurationError: the lake is in an object store.
    """
    check_lake_is_local(settings)
    part = target.with_name(f"{target.name}.part")
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".etlmon-backup-") as folder:
            sources, signals = _collect(settings, url, lake, Path(folder))
            manifest = Manifest(
                created_at=at.isoformat(), etlmon=version("etlmon"), signals=signals, files=_describe(sources)
            )
            _write_tar(part, manifest, sources, at=at, progress=progress)
            part.rename(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        full = error.errno in {28, 27, 122}  # ENOSPC, EFBIG, EDQUOT
        kind = StorageFullError if full else StorageError
        raise kind(
            f"the backup cannot be written: {error}", suggestion="choose a folder with space that you may write to"
        ) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return manifest


def _collect(settings: Settings, url: DatabaseUrl, lake: Lake, folder: Path) -> tuple[dict[str, Path], int]:
    """Everything that belongs to one snapshot: member name → file, and the number of signals in it."""
    dump = folder / DUMP
    with _snapshot(url) as (connection, name):
        files = list_lake_files(connection, settings)
        row = connection.execute(_NEWEST_SNAPSHOT).fetchone()
        signals = lake.query(f"SELECT count(*) AS n FROM signals AT (VERSION => {int(row[0])})")["n"][0]  # type: ignore[index]
        kept = _copy_secrets(settings, folder)
        check_files_exist(settings, files)
        _dump(url, dump, snapshot=name)
    root = Path(settings.lake_data_path)
    sources = {DUMP: dump} | kept
    if settings.connections_path.is_file():
        sources[CONNECTIONS] = settings.connections_path
    return sources | {f"{LAKE}{path.as_posix()}": root / path for path in files}, int(signals)


def _copy_secrets(settings: Settings, folder: Path) -> dict[str, Path]:
    """The secrets as they are at the snapshot: keys may be rotated while the rest is being written."""
    kept = {}
    for path in sorted((settings.home / "secrets").glob("[!.]*")):
        copy = folder / SECRETS / path.name
        copy.parent.mkdir(mode=0o700, exist_ok=True)
        copy.write_bytes(path.read_bytes())
        kept[f"{SECRETS}{path.name}"] = copy
    return kept


@contextmanager
def _snapshot(url: DatabaseUrl) -> Iterator[tuple[psycopg.Connection[Any], str]]:
    """A read-only transaction whose view of the database others can share, and its name."""
    try:
        with psycopg.connect(url.libpq(), connect_timeout=5) as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            row = connection.execute("SELECT pg_export_snapshot()").fetchone()
            yield connection, str(row[0] if row else "")
    except psycopg.OperationalError as error:
        raise StorageUnavailableError(
            "PostgreSQL went away during the backup", suggestion="run it again; nothing was written"
        ) from error


def _dump(url: DatabaseUrl, target: Path, *, snapshot: str) -> None:
    options = ["--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}", f"--file={target}"]
    done = subprocess.run(  # noqa: S603
        [str(client_programs() / "pg_dump"), *options, "--dbname", _without_password(url)],
        env={**os.environ, "PGPASSWORD": url.password or ""},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        words = " ".join(done.stderr.split())[-400:]
        kind = StorageFullError if "No space left" in words else StorageError
        raise kind(f"pg_dump failed: {words}", suggestion="check space and PostgreSQL, then run the backup again")


def _without_password(url: DatabaseUrl) -> str:
    """For a command line, which everybody on the machine can read."""
    return url.without_password().libpq()


def _describe(sources: dict[str, Path]) -> list[BackupFile]:
    return [BackupFile(name=name, size=path.stat().st_size, sha256=_digest(path)) for name, path in sources.items()]


def _digest(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _write_tar(
    part: Path, manifest: Manifest, sources: dict[str, Path], *, at: datetime, progress: Progress | None
) -> None:
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    done = 0
    with os.fdopen(descriptor, "wb") as raw:
        os.fchmod(raw.fileno(), 0o600)
        with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
            content = manifest.model_dump_json().encode()
            _add(tar, MANIFEST, io.BytesIO(content), size=len(content), at=at)
            for one in manifest.files:
                with sources[one.name].open("rb") as handle:
                    _add(tar, one.name, handle, size=one.size, at=at)
                done += one.size
                if progress:
                    progress(done, manifest.total_bytes)
        raw.flush()
        os.fsync(raw.fileno())


def _add(tar: tarfile.TarFile, name: str, handle: IO[bytes], *, size: int, at: datetime) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, int(at.timestamp())
    tar.addfile(member, handle)
