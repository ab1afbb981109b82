"""What every step of the start works with: settings, display, children; waiting for a component; running a module to its end."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from domain.errors import StorageError
from resources.launch.display import Display
from resources.launch.processes import Child, Processes
from resources.postgres.url import DatabaseUrl
from resources.settings import Settings

_READY_S = 180.0


@dataclass(frozen=True, slots=True)
class Start:
    """One start of the platform."""

    settings: Settings
    url: DatabaseUrl
    display: Display
    processes: Processes
    environment: dict[str, str]
    is_demo: bool

    @property
    def run(self) -> Path:
        """Where the files of this run lie."""
        return self.settings.home / "run"

    @property
    def api_address(self) -> str:
        """Where API and pages answer."""
        scheme = "https" if self.settings.tls_cert_file else "http"
        return f"{scheme}://{self.settings.api_host}:{self.settings.api_port}"

    @property
    def ui_address(self) -> str:
        """Where the Dagster UI answers."""
        return f"http://{self.settings.api_host}:{self.settings.ui_port}"

    def child(self, name: str, *command: str) -> Child:
        """Start a process that is watched."""
        return self.processes.start(name, list(command), environment=self.environment, logs=self.settings.home / "logs")


def await_ready(is_ready: Callable[[], bool], child: Child, what: str) -> None:
    """Wait for a component, watching its process.

    Raises:
        StorageError: it died or took too long; the reason has the end of its log.
    """
    deadline = time.monotonic() + _READY_S
    while not is_ready():
        if not child.is_running or time.monotonic() > deadline:
            raise StorageError(
                f"{what} did not come up: {child.last_lines(3)}", suggestion=f"read {child.log}", component=child.name
            )
        time.sleep(0.2)


def answers(url: str) -> bool:
    """Whether something answers 200 there."""
    try:
        # our own child on our own machine, asked for its state: its certificate is for the names others use
        return httpx.get(url, timeout=15.0, trust_env=False, verify=False).status_code == 200  # noqa: S501
    except httpx.HTTPError:
        return False


def free_port() -> int:
    """A port of loopback that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def run_to_end(module: str, environment: dict[str, str], *arguments: str) -> str:
    """Run one of our modules in a process of its own: what it imports does not stay in the memory of `etlmon up`.

    Raises:
        StorageError: with the words of the module.
    """
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        words = done.stderr.strip().splitlines()[-2:] or ["no reason given"]
        raise StorageError(" ".join(words), suggestion="`etlmon doctor` looks closer")
    return done.stdout
