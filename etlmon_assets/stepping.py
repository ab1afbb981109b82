"""The frame of every analytics asset: open the platform, call one function, time it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from resources.clock import utc_now
from resources.lake.connection import Lake

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Step(Generic[T]):
    """What one step answered, the instant it was computed for, and how long it took."""

    result: T
    now: datetime
    duration_s: float

    @property
    def facts(self) -> dict[str, Any]:
        """What every asset shows of its step: how long it took, and up to when it is true."""
        return {"duration_s": self.duration_s, "watermark": self.now.isoformat()}


def run_step(lake: Lake, work: Callable[..., T]) -> Step[T]:
    """Call `work(lake, now=…)` for the present instant."""
    started, now = time.perf_counter(), utc_now()
    result = work(lake, now=now)
    return Step(result, now, round(time.perf_counter() - started, 2))
