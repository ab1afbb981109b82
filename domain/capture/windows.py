"""Windows: the units in which a loader's time is captured, one per tick of its cron, [previous tick, tick).

All instants are UTC. Ticks of any cron are found by matching a grid of minutes at once, not by walking from tick to tick.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
from croniter import croniter

Ticks = npt.NDArray[np.datetime64]
_MINUTE = np.timedelta64(1, "m")
_MAX_GAP_DAYS = (2, 40, 400)


@dataclass(frozen=True, slots=True)
class WindowRange:
    """Consecutive windows of one loader: `edges` has one more element than there are windows (datetime64[s], UTC)."""

    edges: Ticks

    @property
    def start(self) -> datetime:
        """First instant covered, aware UTC."""
        return to_datetime(self.edges[0])

    @property
    def end(self) -> datetime:
        """First instant after the last window, aware UTC."""
        return to_datetime(self.edges[-1])

    @property
    def count(self) -> int:
        """How many windows."""
        return len(self.edges) - 1


def to_datetime(tick: np.datetime64) -> datetime:
    """An aware UTC datetime."""
    return datetime.fromtimestamp(int(tick.astype("datetime64[s]").astype(np.int64)), UTC)


def to_tick(at: datetime) -> np.datetime64:
    """A datetime64[s] in UTC, fractions cut off."""
    return np.datetime64(int(at.timestamp()), "s")


def compute_ticks(schedule: str, start: datetime, end: datetime) -> Ticks:
    """All ticks of a five-field cron with start <= tick <= end.

    Day-of-month and day-of-week follow cron: when both are restricted, either one matches.

    Returns:
        datetime64[s], ascending; empty when there is none.
    """
    first = np.datetime64(math.ceil(start.timestamp() / 60) * 60, "s")
    last = to_tick(end)
    if last < first:
        return np.empty(0, dtype="datetime64[s]")
    grid = np.arange(first, last + np.timedelta64(1, "s"), _MINUTE)
    minutes, hours, days, months, weekdays = (_field(field) for field in croniter.expand(schedule)[0])
    matches = np.ones(len(grid), dtype=bool)
    clock = grid.astype("datetime64[m]").astype(np.int64)
    if minutes is not None:
        matches &= np.isin(clock % 60, minutes)
    if hours is not None:
        matches &= np.isin(clock // 60 % 24, hours)
    day_number = grid.astype("datetime64[D]")
    if months is not None:
        matches &= np.isin(day_number.astype("datetime64[M]").astype(np.int64) % 12 + 1, months)
    matches &= _match_days(day_number, days, weekdays)
    return grid[matches].astype("datetime64[s]")


def _field(values: Sequence[int | str]) -> list[int] | None:
    return None if values == ["*"] else [int(value) for value in values]


def _match_days(dates: Ticks, days: list[int] | None, weekdays: list[int] | None) -> npt.NDArray[np.bool_]:
    by_day = np.ones(len(dates), dtype=bool)
    by_weekday = by_day.copy()
    if days is not None:
        by_day = np.isin((dates - dates.astype("datetime64[M]")).astype(np.int64) + 1, days)
    if weekdays is not None:
        # 1970-01-01 was a Thursday (cron 4); Sunday is 0 and 7
        by_weekday = np.isin((dates.astype(np.int64) + 4) % 7, [day % 7 for day in weekdays])
    if days is not None and weekdays is not None:
        return by_day | by_weekday
    return by_day & by_weekday


def floor_to_tick(schedule: str, at: datetime) -> datetime:
    """The latest tick at or before `at`.

    Raises:
        ValueError: the cron never fires (30 February).
    """
    for days in _MAX_GAP_DAYS:
        ticks = compute_ticks(schedule, at - timedelta(days=days), at)
        if len(ticks):
            return to_datetime(ticks[-1])
    raise ValueError(f"the cron {schedule!r} never fires")


def compute_due_windows(
    schedule: str, *, watermark: datetime, now: datetime, expected_latency_s: float
) -> WindowRange | None:
    """Windows that are complete at the source and not yet captured.

    Args:
        watermark: everything before it is captured; a tick of the cron.
        expected_latency_s: a window is due this long after its end.

    Returns:
        The windows from the watermark on, or None when none is due.
    """
    ready_until = now - timedelta(seconds=expected_latency_s)
    edges = compute_ticks(schedule, watermark, ready_until)
    if len(edges) < 2:
        return None
    return WindowRange(edges)


def compute_windows_touching(schedule: str, *, start: datetime, end: datetime) -> WindowRange | None:
    """The whole windows that overlap [start, end), for backfills of a stated range. None when the range is empty."""
    if end <= start:
        return None
    first = floor_to_tick(schedule, start)
    edges = compute_ticks(schedule, first, end)
    if to_datetime(edges[-1]) < end:
        following = croniter(schedule, end).get_next(datetime)
        edges = np.append(edges, to_tick(following))
    return WindowRange(edges) if len(edges) > 1 else None


def split_windows(windows: WindowRange, *, max_span_s: float) -> list[WindowRange]:
    """Cut a long range into pieces of whole windows, each at most `max_span_s` long (a single window may be longer)."""
    pieces: list[WindowRange] = []
    first = 0
    limit = np.timedelta64(int(max_span_s), "s")
    while first < windows.count:
        last = int(np.searchsorted(windows.edges, windows.edges[first] + limit, side="right")) - 1
        last = max(last, first + 1)
        pieces.append(WindowRange(windows.edges[first : last + 1]))
        first = last
    return pieces


def extend_back(schedule: str, windows: WindowRange, *, lookback_s: float) -> WindowRange:
    """The same windows with earlier ones before them, as far as the late look-back reaches."""
    if lookback_s <= 0:
        return windows
    earlier = compute_ticks(schedule, windows.start - timedelta(seconds=lookback_s), windows.start)
    return WindowRange(np.concatenate([earlier[earlier < windows.edges[0]], windows.edges]))
