"""The simulator as a process: it answers over the real protocols, takes faults, continues after a restart, ends cleanly."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil
import pytest
from prometheus_api_client import PrometheusConnect
from sqlalchemy import create_engine, text

from domain.errors import ConflictError
from resources.clock import utc_now
from resources.drills.faults_simulator import SimulatorFaults
from resources.simulator.control_client import ControlClient

ROOT = Path(__file__).resolve().parents[2]


class Simulator:
    """A started process with its addresses."""

    def __init__(self, home: Path) -> None:
        command = [sys.executable, "-m", "resources.simulator", "--home", str(home), "--history-days", "2"]
        with (home / "log.json").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log)
        assert self.process.stdout is not None
        self.urls: dict[str, Any] = orjson.loads(self.process.stdout.readline())

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = httpx.get(f"{self.urls['prometheus_url']}/simulator/status", timeout=30).json()
        return answer

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


def wait_for(is_true: Callable[[], object], *, timeout_s: float = 90.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline, "did not happen in time"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def simulator(home: Path) -> Iterator[Simulator]:
    started = Simulator(home)
    yield started
    if started.process.poll() is None:
        started.end()


def children_of(simulator: Simulator) -> list[psutil.Process]:
    return psutil.Process(simulator.process.pid).children(recursive=True)


@pytest.mark.requirement("A18")
def test_metrics_logs_and_runs_answer_to_their_own_clients(simulator: Simulator) -> None:
    assert simulator.urls["ready"] is True
    wait_for(lambda: simulator.status()["is_history_complete"])
    prometheus = PrometheusConnect(url=simulator.urls["prometheus_url"])
    assert prometheus.check_prometheus_connection()
    up = prometheus.custom_query('sum(up{service="gateway"})')
    assert up[0]["value"][1] == "2"
    count = f"{simulator.urls['elasticsearch_url']}/logs-*/_count"
    assert httpx.post(count, json={"query": {"term": {"log.level": "ERROR"}}}, timeout=30).json()["count"] > 50
    engine = create_engine(simulator.urls["sql_url"])
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(DISTINCT loader) FROM etl_runs")).scalar() == 12
    engine.dispose()


@pytest.mark.requirement("A18")
def test_a_fault_asked_for_shows_in_metrics_and_logs_and_stops(simulator: Simulator, home: Path) -> None:
    wait_for((home / "simulator" / "endpoint.json").exists)
    client = ControlClient(home)
    assert "simulator at" in client.via
    url = simulator.urls["prometheus_url"]
    before = httpx.get(f"{url}/api/v1/query", params={"query": 'sum(up{service="loader"})'}, timeout=30).json()
    assert before["data"]["result"][0]["value"][1] == "3"
    client.start("missing-data", at_s=time.time() - 120, for_s=600)
    down = httpx.get(f"{url}/api/v1/query", params={"query": 'sum(up{service="loader"})'}, timeout=30).json()
    assert down["data"]["result"][0]["value"][1] == "0"
    client.start("error-burst", at_s=time.time() - 60, for_s=600)
    query = {"query": {"term": {"error.type": "NULL_POINTER"}}}
    search = f"{simulator.urls['elasticsearch_url']}/logs-*/_count"
    wait_for(lambda: httpx.post(search, json=query, timeout=30).json().get("count", 0) >= 3)
    (stopped,) = client.stop("missing-data")
    assert stopped["state"] == "over"
    drills, now = SimulatorFaults(home), utc_now()
    assert drills.is_there()
    for _ in range(2):  # a drill's start whose answer got lost is repeated
        drills.make("connection-pool", at=now, for_s=600)
    with pytest.raises(ConflictError):
        drills.make("error-burst", at=now, for_s=600)
    for _ in range(2):
        drills.clear("connection-pool")
    states = [
        one["state"] for one in client.ground_truth() if one["name"] == "connection-pool" and one["origin"] != "seeded"
    ]
    assert states == ["over"]


@pytest.mark.requirement("A18")
def test_a_second_start_continues_the_same_history_without_duplicates(simulator: Simulator, home: Path) -> None:
    wait_for(lambda: simulator.status()["is_history_complete"])
    at = int(time.time()) - 3600
    query = {"query": "sum(http_requests_total)", "time": at}
    first = httpx.get(f"{simulator.urls['prometheus_url']}/api/v1/query", params=query, timeout=30).content
    documents = simulator.status()["log_documents"]
    assert simulator.end() == 0
    again = Simulator(home)
    try:
        assert again.urls == simulator.urls, "loaders know these addresses"
        wait_for(lambda: again.status()["is_history_complete"])
        assert httpx.get(f"{again.urls['prometheus_url']}/api/v1/query", params=query, timeout=30).content == first
        assert again.status()["log_documents"] == pytest.approx(documents, abs=25)
        engine = create_engine(again.urls["sql_url"])
        with engine.connect() as connection:
            rows, ids = connection.execute(text("SELECT count(*), count(DISTINCT run_id) FROM etl_runs")).one()
        engine.dispose()
        assert rows == ids > 1500
    finally:
        assert again.end() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_behind_however_it_ends(simulator: Simulator, home: Path, number: int) -> None:
    wait_for((home / "simulator" / "endpoint.json").exists)
    children = children_of(simulator)
    assert any("osmem" in child.name() for child in children)
    code = simulator.end(number)
    assert code == (0 if number != signal.SIGKILL else -signal.SIGKILL)
    _, alive = psutil.wait_procs(children, timeout=15)
    assert not alive
    assert (home / "simulator" / "endpoint.json").exists() == (number == signal.SIGKILL)
    assert "not running" in ControlClient(home).via


def test_a_port_in_use_is_reported_not_hung(simulator: Simulator, home: Path) -> None:
    port = simulator.urls["prometheus_url"].rsplit(":", 1)[1]
    command = [sys.executable, "-m", "resources.simulator", "--home", str(home / "other"), "--port", port]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert result.returncode == 2
    assert "in use" in orjson.loads(result.stderr.splitlines()[-1])["reason"]
