"""How values look on a page: instants, amounts, durations. Filters of the templates; pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from domain.loaders.schedule_words import describe_schedule

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))
_NOW_S = 45


def show_exact(instant: datetime) -> str:
    """The instant in UTC to the second."""
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def show_iso(instant: datetime) -> str:
    """The instant for machines (`datetime` of `<time>`)."""
    return instant.astimezone(UTC).isoformat(timespec="seconds")


def show_ago(instant: datetime, *, now: datetime) -> str:
    """Distance from now, in the largest whole unit. times.js keeps it true with the same words."""
    seconds = (now - instant).total_seconds()
    if abs(seconds) < _NOW_S:
        return "just now" if seconds >= 0 else "in a moment"
    length, unit = next(((length, unit) for length, unit in _UNITS if abs(seconds) >= length), _UNITS[-1])
    text = f"{max(1, int(abs(seconds) // length))} {unit}"
    return f"{text} ago" if seconds > 0 else f"in {text}"


def show_number(value: Any) -> str:
    """Thousands apart, at most three decimals; a protected value as it is."""
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int) else _as_it_is(value)


def show_duration(seconds: Any) -> str:
    """90 → 1 min 30 s; at most two units; a protected value as it is."""
    if not isinstance(seconds, int | float):
        return _as_it_is(seconds)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms" if seconds else "0 s"
    rest, parts = round(seconds), []
    for length, unit in (*_UNITS, (1, "s")):
        if rest >= length:
            parts.append(f"{rest // length} {unit}")
            rest %= length
    return " ".join(parts[:2])


def show_schedule(cron: Any) -> str:
    """A cron line in words; what is none, or is protected, as it is."""
    return describe_schedule(cron) if isinstance(cron, str) and len(cron.split()) == 5 else _as_it_is(cron)


def _as_it_is(value: Any) -> str:
    return "–" if value is None else str(value)
