"""The breakers of a process: what counts as failure, what a store that is away does, and what a call pays."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from domain.circuit_breaker import Breaker, BreakerRules, BreakerState
from domain.errors import (
    CircuitOpenError,
    SourceAuthenticationError,
    SourceError,
    SourceFailedError,
    SourceQueryError,
    SourceTimeoutError,
    StorageUnavailableError,
)
from resources.breakers import Breakers, Change, Decision
from resources.outgoing_http import ATTEMPTS, Deadline, call_with_retries

pytestmark = pytest.mark.requirement("A14")
NAME = "prometheus http://host:9090"


class Clock:
    """Both clocks of the breakers, moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 3, 10, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def timer(self) -> float:
        return self.seconds


class Store:
    """A table in memory; `is_away` makes it fail."""

    def __init__(self) -> None:
        self.rows: dict[str, Breaker] = {}
        self.is_away = False
        self.asked = 0

    def _ask(self) -> None:
        self.asked += 1
        if self.is_away:
            raise StorageUnavailableError("gone", suggestion="wait")

    def change(self, name: str, decide: Decision) -> Change:
        self._ask()
        before = self.rows.get(name, Breaker())
        after, is_permitted, _ = decide(before)
        self.rows[name] = after
        return Change(before, after, is_permitted)

    def read(self, name: str) -> Breaker | None:
        self._ask()
        return self.rows.get(name)


def breakers(clock: Clock, store: Store | None = None) -> Breakers:
    made = Breakers(clock=clock.now, timer=clock.timer)
    made.attach(store, BreakerRules())
    return made


def call(one: Breakers, error: Exception | None = None, *, clock: Clock | None = None, seconds: float = 0.0) -> str:
    try:
        with one.guard(NAME):
            if clock:
                clock.seconds += seconds
            if error:
                raise error
    except (SourceError, ValueError) as raised:
        return getattr(raised, "error_type", "other")
    return "ok"


FAILED = SourceFailedError("http://host:9090 failed with HTTP 500", suggestion="look")


def test_failures_open_it_and_the_refusal_says_why_and_until_when() -> None:
    clock = Clock()
    one = breakers(clock)
    assert [call(one, FAILED) for _ in range(10)] == ["SOURCE_FAILED"] * 10
    with pytest.raises(CircuitOpenError, match="HTTP 500") as refused, one.guard(NAME):
        pytest.fail("nothing may be sent")
    assert "2026-03-10 00:01:00 UTC" in refused.value.reason
    assert refused.value.context["retry_at"] == "2026-03-10T00:01:00+00:00"
    clock.seconds = 60.0
    assert [call(one) for _ in range(3)] == ["ok"] * 3
    assert call(one, FAILED) == "SOURCE_FAILED", "closed again, with an empty window"


def test_what_the_source_did_answer_is_no_failure() -> None:
    one = breakers(Clock())
    for error in (
        SourceQueryError("bad query", suggestion="-"),
        SourceAuthenticationError("401", suggestion="-"),
        ValueError("ours"),
    ):
        assert [call(one, error) for _ in range(20)]
    assert call(one) == "ok"


def test_slow_calls_count_from_five_seconds_on() -> None:
    clock = Clock()
    one = breakers(clock)
    for _ in range(10):
        call(one, clock=clock, seconds=5.1)
    assert call(one) == "CIRCUIT_OPEN"


def test_a_trip_is_seen_by_another_process_within_a_second_and_so_is_the_way_back() -> None:
    clock, store = Clock(), Store()
    here, there = breakers(clock, store), breakers(clock, store)
    assert call(there) == "ok"
    for _ in range(10):
        call(here, FAILED)
    clock.seconds += 0.9
    assert call(there) == "CIRCUIT_OPEN"
    clock.seconds += 60
    trials = [call(one) for one in (here, there, here)]
    assert trials == ["ok"] * 3
    assert store.rows[NAME].state is BreakerState.CLOSED


def test_two_processes_share_the_trials() -> None:
    clock, store = Clock(), Store()
    here, there = breakers(clock, store), breakers(clock, store)
    for _ in range(10):
        call(here, FAILED)
    clock.seconds += 61
    with here.guard(NAME), there.guard(NAME), here.guard(NAME):
        assert call(there) == call(here) == "CIRCUIT_OPEN", "three are under way in both together"


def test_failures_of_several_processes_add_up() -> None:
    clock, store = Clock(), Store()
    several = [breakers(clock, store) for _ in range(5)]
    for one in several:
        for _ in range(2):
            call(one, FAILED)
        one.flush()
    assert store.rows[NAME].state is BreakerState.OPEN


def test_a_store_that_is_away_stops_nothing_and_is_not_asked_all_the_time() -> None:
    clock, store = Clock(), Store()
    one = breakers(clock, store)
    store.is_away = True
    for _ in range(50):
        assert call(one) == "ok"
        clock.seconds += 0.1
    assert store.asked <= 2
    for _ in range(60):
        call(one, FAILED)
    assert call(one) == "CIRCUIT_OPEN", "the process protects the source by itself"
    store.is_away = False
    clock.seconds += 11
    call(one)
    assert store.rows[NAME].state is BreakerState.OPEN, "what was learnt meanwhile is stored"


def test_retries_are_calls_and_end_when_it_opens() -> None:
    tries = 0

    def fail(_: Deadline) -> None:
        nonlocal tries
        tries += 1
        raise FAILED

    name, seen = "prometheus http://retried:9090", []
    for _ in range(6):
        with pytest.raises(SourceError) as raised:
            call_with_retries(fail, timeout_s=30, breaker=name)
        seen.append(raised.value.error_type)
    assert seen[:3] == ["SOURCE_FAILED"] * 3
    assert seen[3:] == ["CIRCUIT_OPEN"] * 3
    assert tries == 10, f"{ATTEMPTS} tries each until the tenth failure"


def test_a_timeout_counts_as_failure() -> None:
    one = breakers(Clock())
    for _ in range(10):
        call(one, SourceTimeoutError("t", suggestion="-"))
    assert call(one) == "CIRCUIT_OPEN"


def test_a_closed_breaker_costs_less_than_a_tenth_of_a_millisecond() -> None:
    one = Breakers()
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(1_000):
            with one.guard(NAME):
                pass
        best = min(best, (time.perf_counter() - began) / 1_000)
    assert best < 100e-6
    print(f"{best * 1e6:.1f} us a call")
