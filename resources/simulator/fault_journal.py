"""Ground truth on disk: an append-only file of JSON lines that says which fault was active when.

A line starts a window or ends one early; nothing is ever rewritten, so history stays a function of the file's past.
Both the running simulator and the command line append; one line is one atomic write.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import orjson

from domain.errors import ConflictError, NotFoundError
from resources.simulator.fault_model import FaultCatalogue, FaultWindow

DAY_S = 86_400.0


class FaultJournal:
    """Windows of one home, in the order they were written."""

    def __init__(self, path: Path, catalogue: FaultCatalogue) -> None:
        self.path, self._catalogue = path, catalogue

    def read(self) -> tuple[FaultWindow, ...]:
        """All windows; empty when the file is not there. A torn last line (power cut) is left out."""
        windows: dict[str, FaultWindow] = {}
        for line in self.path.read_bytes().splitlines() if self.path.exists() else []:
            try:
                entry = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if entry.pop("event") == "start":
                windows[entry["window_id"]] = FaultWindow(**entry)
            elif entry["window_id"] in windows:
                window = windows[entry["window_id"]]
                windows[window.window_id] = replace(window, ended_s=min(window.ended_s, entry["ended_s"]))
        return tuple(windows.values())

    def start(self, name: str, *, at_s: float, for_s: float | None = None, origin: str = "operator") -> FaultWindow:
        """Write a new window and return it.

        Raises:
            NotFoundError: no such fault.
            ConflictError: the fault is active (or planned) in an overlapping window.
        """
        fault = self._catalogue.find(name)
        at_s = math.floor(at_s * 1000) / 1000
        window = FaultWindow(f"{name}-{int(at_s)}", name, at_s, at_s + (for_s or fault.default_for_s), origin)
        for other in self.read():
            if other.fault == name and other.started_s < window.ended_s and window.started_s < other.ended_s:
                raise ConflictError(
                    f"{name} is active already, until {other.ended_s:.0f} (epoch seconds)",
                    suggestion=f"stop it first: etlmon simulate stop {name}",
                    fault=name,
                )
        self._append({"event": "start", **asdict(window)})
        return window

    def stop(self, name: str, *, at_s: float) -> list[FaultWindow]:
        """End every window of the fault that is active or planned; returns them as they are now.

        Raises:
            NotFoundError: no such fault, or it is not active.
        """
        self._catalogue.find(name)
        open_windows = [window for window in self.read() if window.fault == name and window.ended_s > at_s]
        if not open_windows:
            raise NotFoundError(f"{name} is not active", suggestion="see: etlmon simulate active", fault=name)
        for window in open_windows:
            ended_s = max(math.floor(at_s * 1000) / 1000, window.started_s)  # never after now: it is over
            self._append({"event": "stop", "window_id": window.window_id, "ended_s": ended_s})
        ids = {window.window_id for window in open_windows}
        return [window for window in self.read() if window.window_id in ids]

    def seed(self, *, begin_s: float, until_s: float) -> None:
        """Write the catalogue's seeded faults that fit between the estate's origin and now, once."""
        if self.path.exists():
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        windows = []
        for seeded in self._catalogue.seeded:
            at_s = round(begin_s + seeded.after_days * DAY_S, 3)
            if at_s + seeded.for_s < until_s:
                window_id = f"{seeded.fault}-{int(at_s)}"
                windows.append(FaultWindow(window_id, seeded.fault, at_s, at_s + seeded.for_s, "seeded"))
        _write_whole(self.path, [{"event": "start", **asdict(window)} for window in windows])

    def _append(self, entry: dict[str, object]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, orjson.dumps(entry) + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write_whole(path: Path, entries: Sequence[dict[str, object]]) -> None:
    draft = path.with_suffix(".draft")
    draft.write_bytes(b"".join(orjson.dumps(entry) + b"\n" for entry in entries))
    draft.replace(path)
