"""The circuit breaker: thresholds as stated, and invariants that no sequence of calls breaks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.circuit_breaker import (
    Breaker,
    BreakerRules,
    BreakerState,
    Outcome,
    record_outcome,
    request_permit,
    reset,
)

pytestmark = pytest.mark.requirement("A14")
RULES = BreakerRules()
START = datetime(2026, 3, 10, tzinfo=UTC)


def after(outcomes: list[Outcome], rules: BreakerRules = RULES, start: Breaker | None = None) -> Breaker:
    breaker = start or Breaker()
    for outcome in outcomes:
        breaker, is_permitted = request_permit(breaker, rules, now=START)
        if is_permitted:
            breaker = record_outcome(breaker, outcome, rules, era=breaker.era, now=START)
    return breaker


def test_it_opens_at_half_of_ten_calls_and_not_before() -> None:
    nine = after([Outcome.FAILED] * 9)
    assert nine.state is BreakerState.CLOSED, "below the minimum of ten calls nothing is judged"
    assert after([Outcome.OK], start=nine).state is BreakerState.OPEN
    assert after([Outcome.OK] * 6 + [Outcome.FAILED] * 4).state is BreakerState.CLOSED
    assert after([Outcome.OK] * 5 + [Outcome.FAILED] * 5).state is BreakerState.OPEN


def test_only_the_newest_hundred_calls_count() -> None:
    healthy = after([Outcome.OK] * 1_000)
    assert len(healthy.calls) == 100
    assert after([Outcome.FAILED] * 49, start=healthy).state is BreakerState.CLOSED
    assert after([Outcome.FAILED] * 50, start=healthy).state is BreakerState.OPEN


def test_slow_calls_open_it_when_all_of_them_are_slow() -> None:
    assert after([Outcome.SLOW] * 9 + [Outcome.OK]).state is BreakerState.CLOSED
    assert after([Outcome.SLOW] * 10).state is BreakerState.OPEN
    half = BreakerRules(slow_rate_pct=50.0)
    assert after([Outcome.SLOW] * 5 + [Outcome.OK] * 5, half).state is BreakerState.OPEN


def opened() -> Breaker:
    return after([Outcome.FAILED] * 10)


def test_open_waits_a_minute_then_three_trials_decide() -> None:
    breaker = opened()
    assert breaker.retry_at(RULES) == START + timedelta(seconds=60)
    assert request_permit(breaker, RULES, now=START + timedelta(seconds=59)) == (breaker, False)
    later = START + timedelta(seconds=60)
    permits = []
    for _ in range(5):
        breaker, is_permitted = request_permit(breaker, RULES, now=later)
        permits.append(is_permitted)
    assert permits == [True, True, True, False, False]
    assert breaker.state is BreakerState.HALF_OPEN
    era = breaker.era
    for outcome in (Outcome.OK, Outcome.FAILED):
        breaker = record_outcome(breaker, outcome, RULES, era=era, now=later)
        assert breaker.state is BreakerState.HALF_OPEN
    good = record_outcome(breaker, Outcome.OK, RULES, era=era, now=later)
    assert (good.state, good.calls, good.opened_at) == (BreakerState.CLOSED, (), None)
    bad = record_outcome(breaker, Outcome.FAILED, RULES, era=era, now=later)
    assert (bad.state, bad.opened_at, bad.times_opened) == (BreakerState.OPEN, later, 2)


def test_trials_whose_outcome_never_comes_are_given_again() -> None:
    breaker, now = opened(), START + timedelta(seconds=60)
    for _ in range(3):
        breaker, _ = request_permit(breaker, RULES, now=now)
    breaker = record_outcome(breaker, Outcome.OK, RULES, era=breaker.era, now=now)
    assert request_permit(breaker, RULES, now=now + timedelta(seconds=59))[1] is False
    again, is_permitted = request_permit(breaker, RULES, now=now + timedelta(seconds=60))
    assert is_permitted
    assert again.permits == 1, "one outcome is there, two are missing"


def test_a_call_of_another_era_changes_nothing() -> None:
    closed = Breaker()
    breaker = opened()
    assert record_outcome(breaker, Outcome.OK, RULES, era=closed.era, now=START) == breaker
    half, _ = request_permit(breaker, RULES, now=START + timedelta(seconds=60))
    assert record_outcome(half, Outcome.FAILED, RULES, era=closed.era, now=START) == half
    assert reset(breaker, now=START).state is BreakerState.CLOSED


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["call", "late", "wait", "reset"]), st.sampled_from(list(Outcome)), st.integers(0, 90)
        ),
        max_size=200,
    )
)
def test_no_sequence_breaks_it(steps: list[tuple[str, Outcome, int]]) -> None:
    breaker, now, eras = Breaker(), START, [Breaker().era]
    for kind, outcome, seconds in steps:
        before = breaker
        if kind == "call":
            breaker, is_permitted = request_permit(breaker, RULES, now=now)
            if before.state is BreakerState.OPEN and now < before.opened_at + timedelta(seconds=60):  # type: ignore[operator]
                assert not is_permitted
            if is_permitted:
                eras.append(breaker.era)
                breaker = record_outcome(breaker, outcome, RULES, era=breaker.era, now=now)
        elif kind == "late":
            breaker = record_outcome(breaker, outcome, RULES, era=eras[seconds % len(eras)], now=now)
        elif kind == "wait":
            now += timedelta(seconds=seconds)
        else:
            breaker = reset(breaker, now=now)
        assert (breaker.state is BreakerState.CLOSED) == (breaker.opened_at is None)
        assert 0 <= breaker.permits <= RULES.trials
        assert len(breaker.calls) <= RULES.window
        assert breaker.times_opened - before.times_opened in {0, 1}
        if breaker.state is BreakerState.CLOSED and len(breaker.calls) >= RULES.minimum_calls:
            assert breaker.failure_rate_pct < RULES.failure_rate_pct
            assert breaker.slow_rate_pct < RULES.slow_rate_pct
    now += timedelta(seconds=60)
    recovered = breaker
    for _ in range(RULES.trials):
        recovered, is_permitted = request_permit(recovered, RULES, now=now)
        assert is_permitted, "after the wait there is always a way back"
        recovered = record_outcome(recovered, Outcome.OK, RULES, era=recovered.era, now=now)
