"""Full disk, PostgreSQL restarted under load or gone: said in plain words, and nothing captured or accepted is lost."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from domain.errors import StorageUnavailableError
from resources.capture.engine import CaptureContext
from resources.lake.connection import open_lake
from resources.platform import prepare_storage
from resources.postgres.embedded import remove_server_data, running_postgres
from resources.postgres.engine import make_engine
from resources.postgres.url import DatabaseUrl
from resources.push_inbox import PushInbox
from resources.settings import Settings
from tests.fakes import crash_workers, fault_workers
from tests.fakes.crash_workers import BATCH, SERIES, START, batch_frame, pulled_loader, pushed_loader, value_at
from tests.fakes.platform import Platform

DEADLINE_S = 120.0


@pytest.mark.requirement("B6")
def test_a_full_disk_is_said_and_the_next_capture_with_room_takes_everything(platform: Platform) -> None:
    context = multiprocessing.get_context("forkserver")
    mine, theirs = context.Pipe(duplex=False)
    arguments = (str(platform.settings.home), platform.url.render(), theirs)
    process = context.Process(target=fault_workers.capture_on_a_full_disk, args=arguments)
    process.start()
    theirs.close()
    said: list[Any] = []
    while len(said) < 4 and mine.poll(DEADLINE_S):
        said.append(mine.recv())
    process.join()
    rows = fault_workers.SERIES * 6
    assert said[0] == ("done", rows, 0)
    for kind, reason, suggestion in said[1:3]:
        assert kind == "STORAGE_FULL"
        assert "no space left" in reason
        assert "free disk space" in suggestion
    assert (said[3][0], said[3][2]) == ("done", 0)
    found = platform.lake.query(
        "SELECT count(*) AS n, count(DISTINCT (series_id, captured_at)) AS keys FROM signals WHERE captured_at >= ?",
        [START],
    ).row(0)
    assert found == (3 * rows, 3 * rows)
    assert platform.lake.query("SELECT DISTINCT outcome FROM capture_ledger")["outcome"].to_list() == ["captured"]


class Server:
    """An embedded PostgreSQL of the test's own, to be stopped and started under everybody's feet."""

    def __init__(self, url: DatabaseUrl) -> None:
        admin = replace(url, username="postgres").libpq()
        with psycopg.connect(admin) as connection:
            self._data = Path(str(connection.execute("SHOW data_directory").fetchone()[0]))  # type: ignore[index]
        self._program = Path((self._data / "postmaster.opts").read_text().split()[0]).with_name("pg_ctl")
        self._owner = self._data.stat().st_uid if os.geteuid() == 0 else None

    def stop(self) -> None:
        self._control("stop")

    def start(self) -> None:
        self._control("restart")  # starts a stopped one, with the options of last time

    def _control(self, command: str) -> None:
        subprocess.run(
            [str(self._program), "-D", str(self._data), "-w", "-m", "immediate", "-l", str(self._data / "test.log"), command],
            check=True, user=self._owner, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip


@pytest.fixture
def own(tmp_path: Path) -> Iterator[tuple[Settings, DatabaseUrl, Server]]:
    """Settings, address and server of a migrated home of its own."""
    home = tmp_path / "own"
    with running_postgres(home) as url:
        settings = Settings(home=home, database_url=SecretStr(url.render()), _env_file=None)
        prepare_storage(settings, url)
        yield settings, url, Server(url)
    remove_server_data(home)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "nothing moves any more"
        pause.wait(0.01)


@pytest.mark.requirement("A17")
@pytest.mark.requirement("B6")
def test_postgresql_restarted_under_load_costs_no_row_and_doubles_none(
    own: tuple[Settings, DatabaseUrl, Server],
) -> None:
    settings, url, server = own
    engine = make_engine(url)
    inbox = PushInbox(engine)
    is_over = threading.Event()
    accepted: list[int] = []
    captured: list[int] = []
    failures: list[str] = []

    def persist(work: Callable[[], object]) -> None:
        """What a client or the next tick does: try again for as long as it is said to be worth it."""
        while True:
            try:
                work()
            except StorageUnavailableError as error:
                failures.append(error.error_type)
                if not error.suggestion:
                    raise
            else:
                return

    def push() -> None:
        number = 0
        while not is_over.is_set():
            persist(lambda n=number: inbox.accept("CRASH-PUSH", str(n), batch_frame(n), received=BATCH, at=START))  # type: ignore[misc]
            accepted.append(number)
            number += 1

    def capture_once(minute: int) -> None:
        """A tick: a lake of its own, as in every run of the platform."""
        with open_lake(settings, url) as lake:
            context = CaptureContext(now=START + timedelta(minutes=minute))
            crash_workers._engine(lake, url, inbox).capture_due([pulled_loader(), pushed_loader()], context)

    def capture() -> None:
        minute = 1
        while not is_over.is_set():
            persist(lambda m=minute: capture_once(m))  # type: ignore[misc]
            captured.append(minute)
            minute += 1

    with ThreadPoolExecutor(2) as pool:
        working = [pool.submit(push), pool.submit(capture)]
        try:
            for _ in range(3):
                reached = len(accepted), len(captured)
                until(
                    lambda r=reached: (
                        any(w.done() for w in working) or (len(accepted) > r[0] + 1 and len(captured) > r[1] + 1)
                    )
                )  # type: ignore[misc]
                failed = len(failures)
                server.stop()
                until(lambda f=failed: any(w.done() for w in working) or len(failures) > f)  # type: ignore[misc]
                server.start()
        finally:
            is_over.set()
        for one in working:
            one.result()
    assert failures

    with open_lake(settings, url) as lake:
        minute = captured[-1] + 1
        run = crash_workers._engine(lake, url, inbox).capture_due(
            [pulled_loader(), pushed_loader()], CaptureContext(now=START + timedelta(minutes=minute))
        )
        assert not run.failed
        pulled = lake.query(
            "SELECT (labels->>'n')::INT AS n, captured_at, metric_value FROM signals_wide"
            " WHERE loader_code = 'CRASH-PULL' AND captured_at >= ?",
            [START],
        )
        pushed = lake.query("SELECT metric_value FROM signals_wide WHERE loader_code = 'CRASH-PUSH'")["metric_value"]
    engine.dispose()
    instants = [START + timedelta(seconds=10 * k) for k in range(6 * minute)]
    assert pulled.height == SERIES * len(instants)
    assert set(pulled.rows()) == {(n, at, value_at(n, at)) for n in range(SERIES) for at in instants}
    assert sorted(pushed.to_list()) == [float(k) for k in range(len(accepted) * BATCH)]


@pytest.mark.parametrize(
    "command",
    [["query", "SELECT 1"], ["status"], ["capture"], ["backup", "copy.tar"], ["report", "weekly", "--out", "out"]],
)
def test_each_command_says_that_postgresql_is_gone(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from api.cli.main import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ETLMON_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ETLMON_DATABASE_URL", "postgresql://nobody:hunter2@127.0.0.1:1/none")
    with pytest.raises(SystemExit) as ended:
        main(command)
    said = capsys.readouterr()
    assert ended.value.code == 2
    assert said.err.startswith("STORAGE_UNAVAILABLE: ")
    assert "\n  → " in said.err
    assert "hunter2" not in said.err
    assert "Traceback" not in said.err


def test_doctor_says_that_postgresql_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from api.cli.main import main

    monkeypatch.setenv("ETLMON_DATABASE_URL", "postgresql://nobody:hunter2@127.0.0.1:1/none")
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--json", "--home", str(tmp_path / "home")])
    assert ended.value.code == 1
    (finding,) = [one for one in json.loads(capsys.readouterr().out) if one["check"] == "database"]
    assert finding["verdict"] == "problem"
    assert "not available" in finding["detail"]
