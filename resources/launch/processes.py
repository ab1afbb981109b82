"""Child processes of `etlmon up`: started in a session of their own, watched, restarted when they die, stopped for certain.

A child dies with its parent (PR_SET_PDEATHSIG), so that even kill -9 of `etlmon up` leaves no process behind.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_GRACE_S = 10.0
_MAX_BACKOFF_S = 60.0


@dataclass(slots=True)
class Child:
    """One process of the platform."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    not_before: float = 0.0

    def start(self) -> None:
        """Start it, output appended to its log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603
                self.command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent(os.getpid()),  # noqa: PLW1509
            )

    @property
    def is_running(self) -> bool:
        """Alive at this moment."""
        return self.process is not None and self.process.poll() is None

    def last_lines(self, count: int = 5) -> str:
        """The end of its log, for an error message."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").strip().splitlines()[-count:])


def _die_with_parent(parent: int) -> Callable[[], None]:
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def arm() -> None:
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
            if os.getppid() != parent:  # it died between fork and prctl
                os._exit(1)

    return arm


@dataclass(slots=True)
class Processes:
    """All children, in the order they were started."""

    children: list[Child] = field(default_factory=list)
    is_stopping: bool = False

    def start(self, name: str, command: list[str], *, environment: dict[str, str], logs: Path) -> Child:
        """Start a child and keep it running from now on."""
        child = Child(name, command, environment, logs / f"{name}.log")
        child.start()
        self.children.append(child)
        return child

    def revive(self, *, now: float) -> list[str]:
        """Restart what has died, with growing pauses; returns the names. Call it about once a second."""
        revived = []
        for child in self.children:
            if self.is_stopping or child.is_running:
                continue
            if child.not_before == 0.0:
                child.not_before = now + min(_MAX_BACKOFF_S, 2.0**child.restarts)
            elif now >= child.not_before:
                child.restarts += 1
                child.not_before = 0.0
                child.start()
                revived.append(child.name)
        return revived

    def stop(self) -> None:
        """Stop every child and whatever it started: politely first, then for certain."""
        self.is_stopping = True
        for child in reversed(self.children):
            _signal_session(child, signal.SIGTERM)
        deadline = time.monotonic() + _GRACE_S
        for child in reversed(self.children):
            if child.process is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.process.wait(timeout=max(0.1, deadline - time.monotonic()))
        for child in self.children:
            _signal_session(child, signal.SIGKILL)
            if child.process is not None:
                child.process.wait()


def _signal_session(child: Child, number: signal.Signals) -> None:
    """Signal the child's whole session: run workers of Dagster are children of children."""
    if child.process is None:
        return
    import psutil

    leader = child.process.pid
    for process in psutil.process_iter(["pid"]):
        with contextlib.suppress(ProcessLookupError, PermissionError, psutil.Error):
            if os.getsid(process.pid) == leader:
                os.kill(process.pid, number)
