"""Which stretch of time a report speaks about, and the one before it. Everything is UTC; ends are exclusive."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from domain.errors import InputDataError


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


def parse_period(written: str, *, today: date) -> Period:
    """A calendar month or ISO week: `2026-11`, `2026-W47`, or this-month, last-month, this-week, last-week.

    A period that is not over ends with today, which is part of it.

    Raises:
        InputDataError: it names no month and no week, or one that has not begun.
    """
    begin = _begin(written, today)
    if begin is None or begin > today:
        raise InputDataError(
            f"{written[:40]!r} names no month or week that has begun",
            suggestion="2026-11, 2026-W47, this-month, last-month, this-week or last-week",
        )
    is_week = "w" in written.lower()
    end = begin + timedelta(days=7) if is_week else _next_month(begin)
    if end <= today:
        return _week(begin) if is_week else _month(begin, end)
    until = today + timedelta(days=1)
    if until == end:
        return _week(begin) if is_week else _month(begin, end)
    year, week, _ = begin.isocalendar()
    return (
        Period(begin, until, f"week {week} of {year}, so far", is_complete=False) if is_week else _month(begin, until)
    )


def _begin(written: str, today: date) -> date | None:
    this_month, this_week = today.replace(day=1), today - timedelta(days=today.weekday())
    named = {
        "this-month": this_month,
        "last-month": (this_month - timedelta(days=1)).replace(day=1),
        "this-week": this_week,
        "last-week": this_week - timedelta(days=7),
    }
    found = re.fullmatch(r"([12][0-9]{3})-(?:([0-9]{2})|[Ww]([0-9]{2}))", written)
    try:
        if found is None:
            return named.get(written)
        year = int(found[1])
        return date(year, int(found[2]), 1) if found[2] else date.fromisocalendar(year, int(found[3]), 1)
    except ValueError:
        return None
