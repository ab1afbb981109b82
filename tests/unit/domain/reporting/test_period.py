"""Which days a report is about."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.reporting.period import ReportKind, compute_span


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
