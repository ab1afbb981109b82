"""Which stretch of time a report speaks about, and the one before it. Everything is UTC; ends are exclusive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum


class ReportKind(StrEnum):
    """The reports there are."""

    WEEKLY = "weekly"
    MONTHLY = "monthly"
    SLA = "sla"


@dataclass(frozen=True, slots=True)
class Period:
    """Days [start, end). `is_complete` is False for a month that is still running."""

    start: date
    end: date
    label: str
    is_complete: bool = True

    @property
    def days(self) -> int:
        """Days in the period."""
        return (self.end - self.start).days

    @property
    def hours(self) -> int:
        """Hours in the period, the denominator of uptime."""
        return self.days * 24

    @property
    def start_at(self) -> datetime:
        """First instant, aware."""
        return datetime(self.start.year, self.start.month, self.start.day, tzinfo=UTC)

    @property
    def end_at(self) -> datetime:
        """First instant after the period, aware."""
        return datetime(self.end.year, self.end.month, self.end.day, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Span:
    """A period and the one it is compared with."""

    kind: ReportKind
    current: Period
    previous: Period
    as_of: date

    @property
    def noun(self) -> str:
        """`week` or `month`, for sentences."""
        return "week" if self.kind is ReportKind.WEEKLY else "month"


def _day(day: date) -> str:
    return f"{day.day} {day:%b}"


def _week(monday: date) -> Period:
    sunday = monday + timedelta(days=6)
    year, week, _ = monday.isocalendar()
    return Period(
        monday, monday + timedelta(days=7), f"week {week} of {year} ({_day(monday)} – {_day(sunday)} {sunday.year})"
    )


def _next_month(first: date) -> date:
    return (first + timedelta(days=32)).replace(day=1)


def _month(first: date, end: date) -> Period:
    if end == _next_month(first):
        return Period(first, end, f"{first:%B %Y}")
    last = end - timedelta(days=1)
    days = "1" if last.day == 1 else f"1 – {last.day}"
    return Period(first, end, f"{first:%B %Y}, {days}, so far", is_complete=False)


#: In the first days of a month its reports are about the whole month before.
_DAYS_OF_LOOKING_BACK = 7


def compute_span(kind: ReportKind, as_of: date) -> Span:
    """The period a report of that day is about: the last whole ISO week, or the month so far.

    Up to the seventh of a month, a monthly report is about the whole month before. The day itself is never part of a
    period: it is not over.
    """
    if kind is ReportKind.WEEKLY:
        monday = as_of - timedelta(days=as_of.weekday() + 7)
        return Span(kind, _week(monday), _week(monday - timedelta(days=7)), as_of)
    is_looking_back = as_of.day <= _DAYS_OF_LOOKING_BACK
    first = (as_of.replace(day=1) - timedelta(days=1 if is_looking_back else 0)).replace(day=1)
    before = (first - timedelta(days=1)).replace(day=1)
    return Span(kind, _month(first, min(as_of, _next_month(first))), _month(before, first), as_of)
