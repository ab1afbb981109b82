"""SLA clocks: they count what counts, stand still in a snooze, live through reopening and another severity (E3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.incidents.sla import (
    Clock,
    Measure,
    Targets,
    mark_breach,
    pause,
    reopen,
    resume,
    retarget,
    start_clocks,
    stop,
)

pytestmark = pytest.mark.requirement("E3")
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
HIGH = Targets(acknowledge_s=900, mitigate_s=7200, resolve_s=14400)
CRITICAL = Targets(acknowledge_s=300, mitigate_s=1800, resolve_s=3600)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def clock(measure: Measure = Measure.RESOLVE) -> Clock:
    return next(one for one in start_clocks(HIGH, at=NOON) if one.measure is measure)


def test_a_snooze_moves_the_due_time_by_its_length() -> None:
    paused = pause(clock(), at=at(600))
    assert (paused.due_at, paused.warn_at(75)) == (None, None)
    assert paused.spent_s(at(9_999)) == 600
    resumed = resume(paused, at=at(4_200))
    assert resumed.due_at == at(14_400 + 3_600)
    assert resumed.warn_at(75) == at(0.75 * 14_400 + 3_600)


def test_reopening_goes_on_with_what_was_spent() -> None:
    again = reopen(stop(clock(), at=at(1_000)), at=at(50_000))
    assert (again.spent_s(at(50_100)), again.stopped_at) == (1_100, None)
    assert again.due_at == at(50_000 + 13_400)


def test_a_first_acknowledgement_stays_and_where_there_was_none_it_is_awaited_again() -> None:
    over = stop(clock(Measure.ACKNOWLEDGE), at=at(100))
    assert reopen(over, at=at(500), is_acknowledged=True) == over
    assert reopen(over, at=at(500), is_acknowledged=False).due_at == at(500 + 800)


def test_another_severity_has_its_own_target_and_warning() -> None:
    warned = Clock(Measure.RESOLVE, 14_400, NOON, NOON, warned_at=at(10_800))
    more = retarget(clock(), CRITICAL, at=at(60))
    assert (more.target_s, more.due_at, more.breached_at) == (3_600, at(3_600), None)
    assert retarget(warned, Targets(acknowledge_s=1, mitigate_s=1, resolve_s=86_400), at=at(11_000)).warned_at is None
    late = retarget(clock(), CRITICAL, at=at(5_000))
    assert late.breached_at == at(5_000)  # not before anybody could know
    assert retarget(late, HIGH, at=at(5_100)).breached_at == at(5_000)  # and never undone
    over = stop(clock(), at=at(10))
    assert retarget(over, CRITICAL, at=at(20)) == over


def test_a_miss_is_marked_once_and_only_when_time_is_up() -> None:
    assert mark_breach(clock(), missed_at=at(14_400), now=at(14_400)).breached_at is None
    missed = mark_breach(clock(), missed_at=at(14_400), now=at(14_401))
    assert missed.breached_at == at(14_400)
    assert mark_breach(missed, missed_at=at(20_000), now=at(20_000)) == missed
    assert mark_breach(stop(clock(), at=at(5)), missed_at=NOON, now=at(99_999)).breached_at is None


STEPS = st.lists(
    st.tuples(st.integers(0, 10_000), st.sampled_from(["pause", "resume", "stop", "reopen", "critical", "high"])),
    max_size=12,
)


@given(STEPS, st.sampled_from(Measure))
def test_whatever_happens_seconds_only_grow_and_only_while_it_runs(
    steps: list[tuple[int, str]], measure: Measure
) -> None:
    one, now, spent = clock(measure), 0, 0.0
    for wait, what in steps:
        spent += wait if one.running_since else 0
        now += wait
        assert one.spent_s(at(now)) == pytest.approx(spent)
        one = {
            "pause": pause,
            "resume": resume,
            "stop": stop,
            "reopen": reopen,
            "critical": lambda it, at: retarget(it, CRITICAL, at=at),
            "high": lambda it, at: retarget(it, HIGH, at=at),
        }[what](one, at=at(now))  # type: ignore[operator]
        assert one.spent_s(at(now)) == pytest.approx(spent)
        assert (one.running_since is None) or one.stopped_at is None
        assert (one.due_at is None) == (one.running_since is None)
