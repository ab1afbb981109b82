"""The newcomer's first five minutes, with eight days of history instead of thirty: start, look, break, stop, start again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from resources.launch.dagster_control import DagsterControl
from resources.postgres.embedded import remove_server_data

pytestmark = pytest.mark.timeout(1500)
STARTED = "history ("


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Demo:
    """`etlmon up --demo` in a process of its own, as a newcomer starts it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.api, self.ui = free_port(), free_port()
        self.environment = {**os.environ, "ETLMON_DEMO_DAYS": "8", "ETLMON_HOME": str(home)}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            self.program,
            "up",
            "--demo",
            "--home",
            str(self.home),
            "--api-port",
            str(self.api),
            "--ui-port",
            str(self.ui),
        ]
        self.output = self.home.parent / f"up-{time.monotonic_ns()}.log"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(command, env=self.environment, stdout=output, stderr=output)
        wait_for(lambda: STARTED in self.said(), 600, self.said, alive=self.process)

    @property
    def program(self) -> str:
        return str(Path(sys.executable).parent / "etlmon")

    def said(self) -> str:
        return self.output.read_text()

    def call(self, *arguments: str, code: int | None = 0) -> str:
        done = subprocess.run(
            [self.program, *arguments], env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert code is None or done.returncode == code, done.stderr
        return done.stdout

    def query(self, sql: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.call("query", sql, "--format", "json"))
        return found

    def stop(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

    def processes(self) -> list[str]:
        """Everything that still runs for this home: by its command line, folder, or environment."""
        instance = (self.home / "instance_id").read_text()
        found = []
        for process in psutil.process_iter(["pid", "cmdline"]):
            command = " ".join(process.info["cmdline"] or [])
            try:
                belongs = (
                    str(self.home) in command
                    or instance in command
                    or process.environ().get("ETLMON_HOME") == str(self.home)
                )
            except psutil.Error:
                continue
            if belongs and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid} {command[:150]}")
        return found


def wait_for(
    is_true: Callable[[], bool],
    seconds: float,
    explain: Callable[[], str],
    *,
    alive: subprocess.Popen[bytes] | None = None,
) -> None:
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not is_true():
        assert alive is None or alive.poll() is None, explain()
        assert time.monotonic() < deadline, explain()
        pause.wait(0.25)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    home = tmp_path_factory.mktemp("demo") / "home"
    one = Demo(home)
    one.start()
    yield one
    if one.process is not None and one.process.poll() is None:
        one.stop(signal.SIGINT)
    remove_server_data(home)


@pytest.mark.requirement("K1")
@pytest.mark.requirement("A18")
def test_the_first_screen_has_everything(demo: Demo) -> None:
    assert "✓ history" in demo.said(), demo.said()
    control = DagsterControl(f"http://127.0.0.1:{demo.ui}")
    assert control.loaded_locations() == {"analytics": "loaded", "operations": "loaded"}
    found = control.find_run("everything")
    assert found is not None
    assert found[1] == "SUCCESS"
    control.close()
    counts = demo.query(
        "SELECT (SELECT count(*) FROM signals) AS signals, (SELECT count(*) FROM baselines) AS baselines,"
        " (SELECT count(*) FROM forecasts) AS forecasts, (SELECT count(*) FROM log_templates) AS templates,"
        " (SELECT count(*) FROM capacity) AS capacity, (SELECT count(DISTINCT loader_code) FROM watermarks) AS loaders"
    )[0]
    assert counts["signals"] > 100_000
    assert min(counts.values()) > 0, counts
    assert counts["loaders"] >= 14
    for kind in ("weekly", "monthly", "sla"):
        assert list((demo.home / "reports").glob(f"{kind}*.html")), kind
        assert list((demo.home / "reports").glob(f"{kind}*.pdf")), kind
    status = json.loads(demo.call("status", "--json", code=None))
    assert status["is_running"]
    assert {one["last_error"] for one in status["loaders"]} <= {None, ""}
    assert httpx.get(f"{status['api']}/readyz", trust_env=False).json()["status"] == "ready"


@pytest.mark.needs("chromium")
@pytest.mark.requirement("C8")
def test_a_stranger_finds_lineage_asset_and_automation_in_the_browser(demo: Demo) -> None:
    from playwright.sync_api import sync_playwright

    arguments = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
    ]
    ui = f"http://127.0.0.1:{demo.ui}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        page = browser.new_page(viewport={"width": 1500, "height": 1000})
        page.goto(f"{ui}/asset-groups")
        for group in ("sources", "capture", "analytics", "outlook", "marts", "reports"):
            page.get_by_text(group, exact=True).first.wait_for(timeout=60_000)
        assert page.get_by_text("Join the Dagster community").count() == 0, "no dialog over the first screen"
        page.goto(f"{ui}/assets/anomalies")
        page.get_by_text("Signals outside their baseline").first.wait_for(timeout=60_000)
        page.get_by_text("judged", exact=True).first.wait_for(timeout=60_000)
        page.goto(f"{ui}/automation")
        page.get_by_text("every_minute").first.wait_for(timeout=60_000)
        report = next((demo.home / "reports").glob("weekly*.html"))
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(report.as_uri())
        page.get_by_role("heading", name="Availability").first.wait_for(timeout=60_000)
        assert page.locator(".js-plotly-plot").count() >= 3
        assert errors == []
        browser.close()


@pytest.mark.requirement("A18")
def test_a_fault_on_demand_is_known_as_ground_truth(demo: Demo) -> None:
    names = {one["name"] for one in json.loads(demo.call("simulate", "list", "--json"))}
    assert len(names) >= 14
    assert {"slow-database", "connection-pool", "disk-fill", "missing-data", "late-data", "schema-change"} <= names
    demo.call("simulate", "fault", "error-burst", "--for", "10m")
    active = json.loads(demo.call("simulate", "active", "--json"))
    assert "error-burst" in json.dumps(active)
    demo.call("simulate", "stop", "error-burst")


@pytest.mark.requirement("A17")
def test_a_pushed_signal_is_in_the_lake_within_two_minutes(demo: Demo) -> None:
    token = (demo.home / "secrets" / "push.token").read_text().strip()
    body = {"signals": [{"metric_name": "rows_loaded", "labels": {"loader": "orders"}, "metric_value": 42}]}
    answer = httpx.post(
        f"http://127.0.0.1:{demo.api}/api/v1/signals", params={"loader_code": "PUSHED"}, json=body, trust_env=False,
        headers={"Authorization": f"Bearer {token}"},
    )  # fmt: skip
    assert answer.status_code == 202, answer.text
    sql = "SELECT metric_value FROM signals_wide WHERE loader_code = 'PUSHED'"
    wait_for(lambda: demo.query(sql) == [{"metric_value": 42.0}], 150, demo.said)


@pytest.mark.requirement("K1")
@pytest.mark.requirement("B6")
def test_stopping_leaves_nothing_behind_and_a_second_start_continues(demo: Demo) -> None:
    before = demo.query("SELECT loader_code, complete_until FROM watermarks WHERE loader_code = 'DEMO-HTTP'")
    assert demo.stop(signal.SIGINT) == 0
    assert demo.processes() == []
    demo.start()
    sql = "SELECT loader_code, complete_until FROM watermarks WHERE loader_code = 'DEMO-HTTP'"
    wait_for(lambda: str(demo.query(sql)) > str(before), 180, demo.said)
    doubled = demo.query("SELECT count(*) - count(DISTINCT (series_id, captured_at)) AS n FROM signals")
    assert doubled == [{"n": 0}]
    gaps = demo.query(
        "SELECT loader_code, window_end, next_start FROM (SELECT loader_code, window_end, lead(window_start) OVER"
        " (PARTITION BY loader_code ORDER BY window_start) AS next_start FROM capture_ledger WHERE outcome <> 'missing'"
        " AND loader_code <> 'PUSHED') WHERE next_start <> window_end"
    )
    assert gaps == []


def test_even_kill_9_of_the_starter_leaves_no_process(demo: Demo) -> None:
    assert demo.process is not None
    demo.process.kill()
    demo.process.wait()

    def others() -> list[str]:
        return [one for one in demo.processes() if "postgres" not in one]

    wait_for(lambda: not others(), 60, lambda: "\n".join(others()))
    demo.query("SELECT 1 AS one")  # the last user of the database stops it
    wait_for(lambda: demo.processes() == [], 30, lambda: "\n".join(demo.processes()))
