"""Which days a report is about."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InputDataError
from domain.reporting.period import ReportKind, compute_span, parse_period


@pytest.mark.parametrize(
    ("as_of", "start", "end"),
    [
        (date(2026, 10, 26), date(2026, 10, 19), date(2026, 10, 26)),  # Monday: the week that ended last night
        (date(2026, 11, 1), date(2026, 10, 19), date(2026, 10, 26)),  # Sunday: this week is not over
        (date(2027, 1, 4), date(2026, 12, 28), date(2027, 1, 4)),  # ISO week 53 crosses the year
    ],
)
def test_the_weekly_report_is_about_the_last_whole_iso_week(as_of: date, start: date, end: date) -> None:
    span = compute_span(ReportKind.WEEKLY, as_of)
    assert (span.current.start, span.current.end) == (start, end)
    assert (span.previous.start, span.previous.end) == (start - timedelta(days=7), start)


@pytest.mark.parametrize(
    ("as_of", "start", "end", "is_complete"),
    [
        (date(2026, 11, 1), date(2026, 10, 1), date(2026, 11, 1), True),
        (date(2026, 11, 7), date(2026, 10, 1), date(2026, 11, 1), True),
        (date(2026, 11, 8), date(2026, 11, 1), date(2026, 11, 8), False),
        (date(2027, 1, 3), date(2026, 12, 1), date(2027, 1, 1), True),
        (date(2026, 11, 30), date(2026, 11, 1), date(2026, 11, 30), False),
    ],
)
def test_the_monthly_report_looks_back_for_a_week_then_is_about_the_month_so_far(
    as_of: date, start: date, end: date, *, is_complete: bool
) -> None:
    span = compute_span(ReportKind.MONTHLY, as_of)
    assert (span.current.start, span.current.end, span.current.is_complete) == (start, end, is_complete)
    assert span.previous.end == start
    assert ("so far" in span.current.label) is not is_complete


@given(st.dates(date(2020, 1, 8), date(2090, 1, 1)), st.sampled_from(ReportKind))
def test_a_period_is_over_before_its_report_and_borders_on_the_one_before(as_of: date, kind: ReportKind) -> None:
    span = compute_span(kind, as_of)
    assert span.current.start < span.current.end <= as_of
    assert span.previous.end == span.current.start
    assert span.current.hours == 24 * span.current.days
    assert (as_of - span.current.end).days < 7


@pytest.mark.requirement("E3")
@pytest.mark.parametrize(
    ("written", "start", "end", "is_complete"),
    [
        ("2026-02", "2026-02-01", "2026-03-01", True),
        ("2026-03", "2026-03-01", "2026-03-11", False),
        ("2026-W10", "2026-03-02", "2026-03-09", True),
        ("2026-w11", "2026-03-09", "2026-03-11", False),
        ("this-month", "2026-03-01", "2026-03-11", False),
        ("last-month", "2026-02-01", "2026-03-01", True),
        ("this-week", "2026-03-09", "2026-03-11", False),
        ("last-week", "2026-03-02", "2026-03-09", True),
        ("2020-W53", "2020-12-28", "2021-01-04", True),
    ],
)
def test_a_named_month_or_week_ends_with_today_where_it_is_not_over(
    written: str, start: str, end: str, is_complete: bool
) -> None:
    found = parse_period(written, today=date(2026, 3, 10))
    assert (found.start.isoformat(), found.end.isoformat(), found.is_complete) == (start, end, is_complete)


def test_the_last_day_of_a_period_completes_it() -> None:
    assert parse_period("this-week", today=date(2026, 3, 15)).is_complete
    assert parse_period("this-month", today=date(2026, 3, 31)).label == "March 2026"


@pytest.mark.parametrize(
    "written", ["", "2026", "2026-13", "2026-00", "2026-W54", "2021-W53", "2026-04", "0000-01", "next-week"]
)
def test_what_is_no_period_is_refused(written: str) -> None:
    with pytest.raises(InputDataError, match="names no month or week"):
        parse_period(written, today=date(2026, 3, 10))
