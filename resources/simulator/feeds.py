"""The simulator's one background thread: ships log lines and runs as they fall due, and notices new faults.

A failed tick is logged and tried again at the next one; what is due stays due.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
from sqlalchemy.exc import SQLAlchemyError

from domain.errors import EtlmonError
from resources.simulator.estate import Estate
from resources.simulator.log_feed import LogFeed
from resources.simulator.process_log import write_log
from resources.simulator.run_feed import RunFeed

TICK_S = 1.0
HISTORY_STEP_S = 86_400.0


class Feeds:
    """History in steps of a day, then ticks of a second, until stopped."""

    def __init__(self, estate: Estate, logs: LogFeed | None, runs: RunFeed | None, now_s: Callable[[], float]) -> None:
        self._estate, self._logs, self._runs, self._now_s = estate, logs, runs, now_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feeds", daemon=True)
        self.is_history_complete = False
        self.progress = 0.0
        self.last_error = ""
        self._on_history: Callable[[], None] = lambda: None

    def start(self, on_history: Callable[[], None]) -> None:
        """Begin feeding in the background; `on_history` is called once history is complete."""
        self._on_history = on_history
        self._thread.start()

    def stop(self) -> None:
        """End after the current step and close the connections."""
        self._stop.set()
        self._thread.join(20)
        for feed in (self._logs, self._runs):
            if feed is not None:
                feed.close()

    def status(self) -> dict[str, Any]:
        """Progress for a reader."""
        return {
            "is_history_complete": self.is_history_complete,
            "history_progress": round(self.progress, 3),
            "log_documents": self._logs.documents if self._logs else 0,
            "etl_runs": self._runs.rows if self._runs else 0,
            "last_error": self.last_error,
        }

    def _run(self) -> None:
        began, reached_s = time.monotonic(), self._estate.record.begin_ms / 1000
        begin_s = reached_s
        while not self._stop.is_set():
            goal_s = self._now_s()
            target_s = min(reached_s + HISTORY_STEP_S, goal_s)
            if self._try_step(target_s):
                reached_s = target_s
                self.progress = (reached_s - begin_s) / max(goal_s - begin_s, 1.0)
            if reached_s < goal_s - TICK_S and not self.last_error:
                continue
            if not self.is_history_complete and not self.last_error:
                self.is_history_complete = True
                self._on_history()
                write_log("history fed", duration_s=round(time.monotonic() - began, 1), **self.status())
            self._stop.wait(TICK_S)

    def _try_step(self, until_s: float) -> bool:
        try:
            self._estate.reload_faults()
            if self._logs is not None:
                self._logs.ship(self._estate.samples.windows, until_s=until_s)
            if self._runs is not None:
                self._runs.write(until_s=until_s)
        except (httpx.HTTPError, SQLAlchemyError, EtlmonError, OSError) as error:
            if str(error) != self.last_error:
                write_log("feeding failed", level="ERROR", error_type=type(error).__name__, reason=str(error))
            self.last_error = str(error)
            return False
        self.last_error = ""
        return True
