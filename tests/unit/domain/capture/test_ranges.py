"""Chunking: every instant exactly once, whatever the cut."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.capture.ranges import compute_span, count_points, split_range

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.mark.requirement("B1")
@settings(deadline=None, max_examples=50)
@given(
    length_ms=st.integers(-5_000, 5_000_000),
    step_ms=st.integers(1, 90_000),
    max_points=st.integers(1, 11_000),
)
def test_spans_together_are_every_instant_of_the_range_once(length_ms: int, step_ms: int, max_points: int) -> None:
    step_ms = max(step_ms, length_ms // 5_000)
    end = NOON + timedelta(milliseconds=length_ms)
    spans = list(split_range(NOON, end, step_s=step_ms / 1_000, max_points=max_points))
    step = timedelta(milliseconds=step_ms)
    instants = [span.first_at + k * step for span in spans for k in range(span.points)]
    assert instants == [NOON + k * step for k in range(count_points(NOON, end, step_s=step_ms / 1_000))]
    assert all(NOON <= instant < end for instant in instants)
    assert not instants or instants[-1] + step >= end
    assert all(span.points <= max_points and span.last_at == span.first_at + (span.points - 1) * step for span in spans)


def test_a_month_of_minutes_needs_four_requests() -> None:
    spans = list(split_range(NOON, NOON + timedelta(days=30), step_s=60, max_points=11_000))
    assert [span.points for span in spans] == [11_000, 11_000, 11_000, 10_200]


def test_an_empty_or_reversed_range_has_no_instants() -> None:
    assert list(split_range(NOON, NOON, step_s=60, max_points=10)) == []
    assert count_points(NOON, NOON - timedelta(hours=1), step_s=60) == 0


def test_a_span_of_one_instant_begins_and_ends_there() -> None:
    span = compute_span(NOON, step_s=60, offset=2, points=1)
    assert span.first_at == span.last_at == NOON + timedelta(minutes=2)
