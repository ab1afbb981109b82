"""The embedded server of a home: shared by its users, private, stopped by the last, whole after a kill."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import psycopg
import pytest

from domain.errors import ConfigurationError, StorageUnavailableError
from resources.postgres.embedded import client_programs, remove_server_data, running_postgres
from resources.postgres.url import DatabaseUrl

CONTEXT = multiprocessing.get_context("forkserver")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    found = tmp_path / "home"
    yield found
    remove_server_data(found)


def hold(home: str, pipe: Connection) -> None:
    """Use the server of a home until the pipe says otherwise."""
    with running_postgres(Path(home)) as url:
        pipe.send(url.render())
        pipe.recv()


def ask(url: DatabaseUrl, sql: str) -> object:
    with psycopg.connect(url.libpq(), connect_timeout=5) as connection:
        return connection.execute(sql).fetchone()[0]  # type: ignore[index]


def is_up(url: DatabaseUrl) -> bool:
    try:
        return ask(url, "SELECT 1") == 1
    except psycopg.OperationalError:
        return False


def test_users_share_one_server_and_the_last_one_stops_it(home: Path) -> None:
    mine, theirs = CONTEXT.Pipe()
    with running_postgres(home) as url:
        assert ask(url, "SELECT current_user") == "etlmon"
        assert ask(url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
        assert ask(url, "SHOW listen_addresses") == "", "no port is opened"
        started = ask(url, "SELECT pg_postmaster_start_time()::text")
        other = CONTEXT.Process(target=hold, args=(str(home), theirs))
        other.start()
        assert mine.recv() == url.render()
    assert ask(url, "SELECT pg_postmaster_start_time()::text") == started, "still used by the other"
    mine.send("enough")
    other.join()
    assert not is_up(url)
    with running_postgres(home) as again:
        assert again == url


def test_a_killed_user_leaves_a_server_that_the_next_one_takes_over_with_its_data(home: Path) -> None:
    mine, theirs = CONTEXT.Pipe()
    other = CONTEXT.Process(target=hold, args=(str(home), theirs))
    other.start()
    url = DatabaseUrl.parse(mine.recv())
    with psycopg.connect(url.libpq()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        server = int(connection.execute("SELECT pg_backend_pid()").fetchone()[0])  # type: ignore[index]
    assert server
    os.kill(other.pid, signal.SIGKILL)  # type: ignore[arg-type]
    other.join()
    with running_postgres(home) as taken:
        assert ask(taken, "SELECT answer FROM kept") == 42
    assert not is_up(url)
    with running_postgres(home) as again:
        assert ask(again, "SELECT answer FROM kept") == 42


def test_a_killed_server_is_started_again_and_has_lost_nothing(home: Path) -> None:
    with running_postgres(home) as url:
        with psycopg.connect(url.libpq()) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        data = Path(str(ask(DatabaseUrl.parse(url.render().replace("etlmon@", "postgres@")), "SHOW data_directory")))
        os.kill(int((data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        deadline = time.monotonic() + 30
        while is_up(url):
            assert time.monotonic() < deadline
            threading.Event().wait(0.01)
        with running_postgres(home) as again:
            assert ask(again, "SELECT answer FROM kept") == 42


def test_the_folders_are_private_and_the_users_own_stay_as_they_are(home: Path) -> None:
    home.mkdir(mode=0o755)
    with running_postgres(home) as url:
        assert home.stat().st_mode & 0o777 == 0o755
        folder = Path(dict(url.options)["host"])
        assert folder.stat().st_mode & 0o077 == 0
        with pytest.raises(StorageUnavailableError, match="is running"):
            remove_server_data(home)


def test_a_home_that_cannot_be_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ConfigurationError, match="file"), running_postgres(tmp_path / "file"):
        pass


def test_the_client_programs_are_there() -> None:
    assert all((client_programs() / name).is_file() for name in ("pg_dump", "pg_restore", "psql"))
