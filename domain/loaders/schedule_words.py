"""A cron line in words, and how many captures a day it means."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from domain.capture.windows import compute_ticks

_EVERY = re.compile(r"^\*/(\d+)$")
_START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday; the weeks that follow hold every weekday alike
_SPANS_DAYS = (7, 28, 364)


def describe_schedule(schedule: str) -> str:
    """`every 5 minutes`, `every hour at minute 10`, `every day at 06:00`; the cron line itself where no words fit."""
    minute, hour, *days = schedule.split()
    is_daily = days == ["*", "*", "*"]
    if is_daily and hour == "*" and minute == "*":
        return "every minute"
    if is_daily and hour == "*" and (found := _EVERY.match(minute)) and 60 % int(found[1]) == 0:
        return "every minute" if found[1] == "1" else f"every {found[1]} minutes"
    if is_daily and hour == "*" and minute.isdigit():
        return "every hour" if int(minute) == 0 else f"every hour at minute {int(minute)}"
    if is_daily and minute.isdigit() and (found := _EVERY.match(hour)) and 24 % int(found[1]) == 0:
        return f"every {found[1]} hours" if found[1] != "1" else "every hour"
    if is_daily and minute.isdigit() and hour.isdigit():
        return f"every day at {int(hour):02d}:{int(minute):02d}"
    return f"at {schedule!r}"


def count_captures_per_day(schedule: str) -> float:
    """Mean number of windows a day, over a week or as long as it takes to see the cron fire twice; 0.0 when it is rarer than yearly."""
    for days in _SPANS_DAYS:
        ticks = len(compute_ticks(schedule, _START, _START + timedelta(days=days) - timedelta(minutes=1)))
        if ticks >= 2:
            return ticks / days
    return ticks / days


def compare_schedules(old: str, new: str) -> str:
    """`every 5 minutes → every minute, 5× as many captures`."""
    before, after = count_captures_per_day(old), count_captures_per_day(new)
    return f"{describe_schedule(old)} → {describe_schedule(new)}, {_ratio(before, after)}"


def _ratio(before: float, after: float) -> str:
    if before == after:
        return "as many captures"
    if before == 0 or after == 0:
        return f"{before:.3g} → {after:.3g} captures a day"
    factor = max(before, after) / min(before, after)
    return f"{factor:.3g}× as many captures" if after > before else f"{factor:.3g}× fewer captures"
