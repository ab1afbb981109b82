"""Range arithmetic of capture: the instants a range is evaluated at, and how it is cut into requests.

Pure whole-number arithmetic on microseconds, so that the same range is always cut into the same instants, whoever asks.
Windows, watermarks and schedules belong elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Span:
    """Evaluation instants `first_at, first_at + step, ... last_at`, both ends included; `points` of them."""

    first_at: datetime
    last_at: datetime
    points: int


def compute_epoch_us(instant: datetime) -> int:
    """Whole microseconds since 1970 of an aware instant."""
    return (instant - EPOCH) // MICROSECOND


def compute_instant(epoch_us: int) -> datetime:
    """The aware UTC instant of whole microseconds since 1970."""
    return EPOCH + timedelta(microseconds=epoch_us)


def compute_step_us(step_s: float) -> int:
    """A step in whole microseconds, at least one millisecond (the resolution of the sources)."""
    return max(round(step_s * 1_000) * 1_000, 1_000)


def count_points(start: datetime, end: datetime, *, step_s: float) -> int:
    """How many instants `start + k * step` lie in [start, end); 0 for an empty range."""
    return max(0, -((compute_epoch_us(start) - compute_epoch_us(end)) // compute_step_us(step_s)))


def compute_span(start: datetime, *, step_s: float, offset: int, points: int) -> Span:
    """The span of `points` instants (at least 1) that begins `offset` steps after `start`."""
    step_us = compute_step_us(step_s)
    first_us = compute_epoch_us(start) + offset * step_us
    return Span(compute_instant(first_us), compute_instant(first_us + (points - 1) * step_us), points)


def split_range(start: datetime, end: datetime, *, step_s: float, max_points: int) -> Iterator[Span]:
    """Cut [start, end) into spans of at most `max_points` instants that together are exactly `start + k * step < end`.

    An empty range yields nothing.
    """
    total = count_points(start, end, step_s=step_s)
    for offset in range(0, total, max_points):
        yield compute_span(start, step_s=step_s, offset=offset, points=min(max_points, total - offset))
