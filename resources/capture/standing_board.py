"""How fresh each loader is and what was captured last, for pages that many people look at: read every few seconds at most."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from domain.errors import StorageError
from resources.capture.health import read_freshness
from resources.clock import utc_now
from resources.kept_lake import KeptLake
from resources.lake.connection import Lake

_KEPT_S = 10.0
_MAX_LAG_S = 900.0
_NEWEST = 12


@dataclass(frozen=True, slots=True)
class Freshness:
    """One loader: complete until when, and whether that is later than it should be (as `etlmon status` says it)."""

    complete_until: datetime
    lag_s: float
    is_behind: bool


@dataclass(frozen=True, slots=True)
class Board:
    """What was read. `problem` says why there is nothing when the lake does not answer."""

    loaders: dict[str, Freshness] = field(default_factory=dict)
    captures: list[dict[str, Any]] = field(default_factory=list)
    problem: str = ""


class StandingBoard:
    """One per process, over a lake that is kept open."""

    def __init__(self, lake: KeptLake) -> None:
        self._lake = lake
        self._lock = threading.Lock()
        self._board = Board()
        self._read_at = float("-inf")

    def read(self) -> Board:
        """At most ten seconds old. While one thread reads, the others go on with what is known."""
        if time.monotonic() - self._read_at > _KEPT_S and self._lock.acquire(blocking=self._read_at == float("-inf")):
            try:
                if time.monotonic() - self._read_at > _KEPT_S:
                    self._board = self._read_now(utc_now())
                    self._read_at = time.monotonic()
            finally:
                self._lock.release()
        return self._board

    def _read_now(self, now: datetime) -> Board:
        try:
            marks = read_freshness(cast("Lake", self._lake), now=now)
            captures = self._lake.query(
                "SELECT loader_code, window_start, window_end, outcome, signal_rows, series_count, quarantined_rows,"
                " duration_ms, reason, recorded_at FROM capture_attempts WHERE window_start > ? ORDER BY recorded_at DESC LIMIT ?",
                [now - timedelta(days=2), _NEWEST],
            )
        except StorageError as error:
            return Board(problem=error.reason)
        loaders = {
            row["loader_code"]: Freshness(
                row["complete_until"], row["lag_s"], row["lag_s"] > max(_MAX_LAG_S, 2 * row["period_s"])
            )
            for row in marks.to_dicts()
        }
        return Board(loaders, captures.to_dicts())
