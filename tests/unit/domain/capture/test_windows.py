"""Windows of any cron: the same ticks as croniter, whole windows, none twice, none left out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.capture.windows import (
    compute_due_windows,
    compute_ticks,
    compute_windows_touching,
    extend_back,
    floor_to_tick,
    split_windows,
    to_datetime,
)

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


def field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    pair = st.tuples(number, number).map(sorted)
    one = st.one_of(
        number.map(str),
        pair.map(lambda p: f"{p[0]}-{p[1]}"),
        st.tuples(pair, st.integers(1, 7)).map(lambda t: f"{t[0][0]}-{t[0][1]}/{t[1]}"),
    )
    return st.one_of(
        st.just("*"), st.integers(1, 20).map(lambda n: f"*/{n}"), st.lists(one, min_size=1, max_size=3).map(",".join)
    )


CRONS = (
    st.tuples(field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 7))
    .map(" ".join)
    .filter(croniter.is_valid)
)
INSTANTS = st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is drawn


def walked(cron: str, start: datetime, end: datetime) -> list[datetime]:
    walk = croniter(cron, start - timedelta(seconds=1), ret_type=datetime)
    found = []
    while (tick := walk.get_next(datetime)) <= end:
        if tick >= start:
            found.append(tick)
    return found


@given(CRONS, INSTANTS, st.integers(0, 3 * 86_400))
@settings(max_examples=150, deadline=None)
def test_ticks_are_those_of_croniter(cron: str, start: datetime, seconds: int) -> None:
    end = start + timedelta(seconds=seconds)
    assert [to_datetime(tick) for tick in compute_ticks(cron, start, end)] == walked(cron, start, end)


@given(CRONS, INSTANTS)
@settings(max_examples=60, deadline=None)
def test_floor_is_the_tick_before_or_at(cron: str, at: datetime) -> None:
    try:
        before = croniter(cron, at + timedelta(microseconds=1), ret_type=datetime).get_prev(datetime)
    except ValueError:
        before = None
    if before is not None and at - before < timedelta(days=399):
        assert floor_to_tick(cron, at) == before


@given(
    st.sampled_from(["* * * * *", "*/5 * * * *", "7 * * * *", "30 4 * * *", "0 0 * * 1"]),
    INSTANTS,
    st.integers(1, 10**6),
)
@settings(max_examples=80, deadline=None)
def test_windows_touching_a_range_cover_it_and_no_more(cron: str, start: datetime, seconds: int) -> None:
    end = start + timedelta(seconds=seconds)
    windows = compute_windows_touching(cron, start=start, end=end)
    assert windows is not None
    assert windows.start <= start
    assert end <= windows.end
    assert to_datetime(windows.edges[1]) > start, "the first window touches the range"
    assert to_datetime(windows.edges[-2]) < end, "the last window touches the range"


@given(INSTANTS, st.integers(60, 500_000), st.integers(60, 200_000))
@settings(max_examples=80, deadline=None)
def test_splitting_keeps_every_window_once(start: datetime, seconds: int, span: int) -> None:
    windows = compute_windows_touching("*/5 * * * *", start=start, end=start + timedelta(seconds=seconds))
    assert windows is not None
    pieces = split_windows(windows, max_span_s=span)
    assert [p.start for p in pieces][1:] == [p.end for p in pieces][:-1]
    assert (pieces[0].start, pieces[-1].end) == (windows.start, windows.end)
    assert all(p.count == 1 or (p.end - p.start).total_seconds() <= span for p in pieces)


@pytest.mark.requirement("B6")
def test_a_window_is_due_after_its_latency_and_not_before() -> None:
    watermark = NOON - timedelta(minutes=10)
    early = compute_due_windows(
        "*/5 * * * *", watermark=watermark, now=NOON + timedelta(seconds=29), expected_latency_s=30
    )
    assert early is not None
    assert early.end == NOON - timedelta(minutes=5)
    due = compute_due_windows(
        "*/5 * * * *", watermark=watermark, now=NOON + timedelta(seconds=30), expected_latency_s=30
    )
    assert due is not None
    assert (due.start, due.end, due.count) == (watermark, NOON, 2)
    assert compute_due_windows("*/5 * * * *", watermark=NOON, now=NOON, expected_latency_s=0) is None


def test_looking_back_adds_earlier_windows_only() -> None:
    windows = compute_windows_touching("*/5 * * * *", start=NOON, end=NOON + timedelta(minutes=5))
    assert windows is not None
    assert extend_back("*/5 * * * *", windows, lookback_s=0) is windows
    wider = extend_back("*/5 * * * *", windows, lookback_s=900)
    assert (wider.start, wider.end, wider.count) == (NOON - timedelta(minutes=15), windows.end, 4)


def test_an_empty_range_has_no_windows_and_an_impossible_day_is_said() -> None:
    assert compute_windows_touching("* * * * *", start=NOON, end=NOON) is None
    assert len(compute_ticks("0 0 * * *", NOON, NOON + timedelta(hours=1))) == 0
    with pytest.raises(ValueError, match="never fires"):
        floor_to_tick("0 0 30 2 *", NOON)
