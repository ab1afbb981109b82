"""The circuit breaker as a state machine of values: what a call may do, and what its outcome changes (A14).

CLOSED lets everything through and looks at the newest `window` calls. OPEN lets nothing through until `wait_s` has passed;
then HALF_OPEN lets `trials` calls through, and their outcomes decide between CLOSED and OPEN. Parameters and behaviour
follow the count-based breaker of resilience4j. No clock, no store: `resources.breakers` has both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum


class BreakerState(StrEnum):
    """What the breaker does with calls."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


class Outcome(StrEnum):
    """How one call ended. A call can fail and be slow."""

    OK = "ok"
    SLOW = "slow"
    FAILED = "failed"
    FAILED_SLOW = "failed slow"

    @classmethod
    def of(cls, *, is_failed: bool, is_slow: bool) -> Outcome:
        """From its two facts."""
        if is_failed:
            return cls.FAILED_SLOW if is_slow else cls.FAILED
        return cls.SLOW if is_slow else cls.OK


_FAILED = frozenset({Outcome.FAILED, Outcome.FAILED_SLOW})
_SLOW = frozenset({Outcome.SLOW, Outcome.FAILED_SLOW})


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """When a breaker opens, and for how long."""

    window: int = 100
    minimum_calls: int = 10
    failure_rate_pct: float = 50.0
    slow_rate_pct: float = 100.0
    slow_call_s: float = 5.0
    wait_s: float = 60.0
    trials: int = 3


@dataclass(frozen=True, slots=True)
class Breaker:
    """One breaker. `calls` are the newest outcomes, oldest first; in HALF_OPEN those of the trials.

    `permits` is how many trials may still begin, `changed_at` when this value was last written.
    """

    state: BreakerState = BreakerState.CLOSED
    calls: tuple[Outcome, ...] = ()
    opened_at: datetime | None = None
    permits: int = 0
    times_opened: int = 0
    changed_at: datetime | None = None

    @property
    def era(self) -> tuple[BreakerState, int]:
        """What a call belongs to from its permit to its outcome."""
        return self.state, self.times_opened

    @property
    def failure_rate_pct(self) -> float:
        """Share of failed calls in the window; 0 without calls."""
        return _rate(self.calls, _FAILED)

    @property
    def slow_rate_pct(self) -> float:
        """Share of slow calls in the window; 0 without calls."""
        return _rate(self.calls, _SLOW)

    def retry_at(self, rules: BreakerRules) -> datetime | None:
        """When an OPEN breaker lets the next call through; None when it is not OPEN."""
        if self.state is not BreakerState.OPEN or self.opened_at is None:
            return None
        return self.opened_at + timedelta(seconds=rules.wait_s)


def request_permit(breaker: Breaker, rules: BreakerRules, *, now: datetime) -> tuple[Breaker, bool]:
    """Whether a call may begin, and the breaker after that decision.

    Permits of trials whose outcome never came (their process died) are given anew after `wait_s`.
    """
    if breaker.state is BreakerState.CLOSED:
        return breaker, True
    waited_since = breaker.opened_at if breaker.state is BreakerState.OPEN else breaker.changed_at
    is_over = waited_since is None or now - waited_since >= timedelta(seconds=rules.wait_s)
    if breaker.state is BreakerState.OPEN and is_over:
        breaker = replace(breaker, state=BreakerState.HALF_OPEN, calls=(), permits=rules.trials)
    elif breaker.state is BreakerState.HALF_OPEN and breaker.permits == 0 and is_over:
        breaker = replace(breaker, permits=max(1, rules.trials - len(breaker.calls)))
    if breaker.state is BreakerState.OPEN or breaker.permits == 0:
        return breaker, False
    return replace(breaker, permits=breaker.permits - 1, changed_at=now), True


def record_outcome(
    breaker: Breaker, outcome: Outcome, rules: BreakerRules, *, era: tuple[BreakerState, int], now: datetime
) -> Breaker:
    """The breaker after a call. What was permitted in another era says nothing about this one; OPEN takes no notice."""
    if breaker.state is BreakerState.OPEN or era != breaker.era:
        return breaker
    if breaker.state is BreakerState.HALF_OPEN:
        breaker = replace(breaker, calls=(*breaker.calls, outcome), changed_at=now)
        if len(breaker.calls) < rules.trials:
            return breaker
        return _opened(breaker, now) if _is_bad(breaker, rules) else _closed(breaker, now)
    breaker = replace(breaker, calls=(*breaker.calls, outcome)[-rules.window :], changed_at=now)
    is_judged = len(breaker.calls) >= min(rules.minimum_calls, rules.window)
    return _opened(breaker, now) if is_judged and _is_bad(breaker, rules) else breaker


def reset(breaker: Breaker, *, now: datetime) -> Breaker:
    """CLOSED with an empty window, by hand."""
    return _closed(breaker, now)


def _opened(breaker: Breaker, now: datetime) -> Breaker:
    return replace(
        breaker,
        state=BreakerState.OPEN,
        opened_at=now,
        permits=0,
        times_opened=breaker.times_opened + 1,
        changed_at=now,
    )


def _closed(breaker: Breaker, now: datetime) -> Breaker:
    return replace(breaker, state=BreakerState.CLOSED, calls=(), opened_at=None, permits=0, changed_at=now)


def _is_bad(breaker: Breaker, rules: BreakerRules) -> bool:
    return breaker.failure_rate_pct >= rules.failure_rate_pct or breaker.slow_rate_pct >= rules.slow_rate_pct


def _rate(calls: tuple[Outcome, ...], kinds: frozenset[Outcome]) -> float:
    return 100.0 * sum(call in kinds for call in calls) / len(calls) if calls else 0.0
