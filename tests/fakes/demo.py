"""The whole platform with its synthetic estate, started as a newcomer starts it, on free ports and in a home of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.fakes.faulty_http import unused_port

STARTED = "history ("


class Demo:
    """`etlmon up --demo` in a process of its own, as a newcomer starts it."""

    def __init__(self, home: Path, *, days: int = 8, rules: Path | None = None) -> None:
        self.home = home
        self.api, self.ui = unused_port(), unused_port()
        own = {"ETLMON_RULES_PATH": str(rules)} if rules else {}
        self.environment = {**os.environ, "ETLMON_DEMO_DAYS": str(days), "ETLMON_HOME": str(home), **own}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Until history is captured and everything is derived from it."""
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
        """The command of this environment."""
        return str(Path(sys.executable).parent / "etlmon")

    def said(self) -> str:
        """What the start has printed so far."""
        return self.output.read_text()

    def call(self, *arguments: str, code: int | None = 0) -> str:
        """Run a command of etlmon on this home; its output."""
        done = subprocess.run(
            [self.program, *arguments], env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert code is None or done.returncode == code, done.stderr
        return done.stdout

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Rows of the lake."""
        found: list[dict[str, Any]] = json.loads(self.call("query", sql, "--format", "json"))
        return found

    def incidents(self, *, is_drill: bool) -> list[dict[str, Any]]:
        """Those that are not over, as `etlmon incident list` tells them: of drills, or real."""
        found: list[dict[str, Any]] = json.loads(self.call("incident", "list", "--json"))["items"]
        return [one for one in found if one["is_drill"] is is_drill]

    def received(self, channel: str, words: str) -> list[dict[str, Any]]:
        """What a simulated provider got with these words (an incident's code, a title) in it, newest first."""
        port = json.loads((self.home / "simulator" / "ports.json").read_text())["http"]
        url = f"http://127.0.0.1:{port}/simulator/received"
        told = httpx.get(url, params={"receiver": channel}, trust_env=False)
        return [one for one in told.json()["items"] if re.search(rf"{words}\b", json.dumps(one))]

    def stop(self, number: signal.Signals) -> int:
        """Send a signal; the exit code."""
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
    """Wait for a condition; what `explain` says goes into the failure."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not is_true():
        assert alive is None or alive.poll() is None, explain()
        assert time.monotonic() < deadline, explain()
        pause.wait(0.25)
