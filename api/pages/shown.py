"""How values look on a page: instants, amounts, durations. Filters of the templates; pure."""

from __future__ import annotations

from datetime import UTC, datetime

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


def show_number(value: float) -> str:
    """Thousands apart, at most three decimals."""
    return f"{value:,.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else f"{value:,}"


def show_duration(seconds: float) -> str:
    """90 → 1 min 30 s; at most two units."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms" if seconds else "0 s"
    rest, parts = round(seconds), []
    for length, unit in (*_UNITS, (1, "s")):
        if rest >= length:
            parts.append(f"{rest // length} {unit}")
            rest %= length
    return " ".join(parts[:2])
