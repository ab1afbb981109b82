"""Durations and instants as a person types them: 10m, 1h30m, -2h, +5m, 2026-11-23T14:00Z. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from domain.errors import InputDataError

UNIT_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhd])+")
PART = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


def parse_duration_s(text: str) -> float:
    """Seconds of 90s, 10m, 1h30m, 2d.

    Raises:
        InputDataError: not a duration, or zero.
    """
    seconds = sum(float(n) * UNIT_S[unit] for n, unit in PART.findall(text)) if DURATION.fullmatch(text) else 0.0
    if not seconds:
        raise InputDataError(f"{text!r} is not a duration", suggestion="write for example 90s, 10m, 1h30m or 2d")
    return seconds


def parse_moment_s(text: str, *, now_s: float) -> float:
    """Epoch seconds of an ISO instant (UTC when it names no zone) or a distance from now such as -2h or +5m.

    Raises:
        InputDataError: neither.
    """
    if text[:1] in {"+", "-"}:
        sign = 1.0 if text[0] == "+" else -1.0
        return now_s + sign * parse_duration_s(text[1:])
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise InputDataError(
            f"{text!r} is not an instant", suggestion="write for example 2026-11-23T14:00Z, +5m or -2h"
        ) from None
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()
