"""SLA clocks: time that counts against a target, paused while an incident is snoozed, surviving reopening (E3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import Field

from domain.loaders.definition import Frozen
from domain.vocabulary import Severity


class Measure(StrEnum):
    """What is measured, always from the opening of the incident."""

    ACKNOWLEDGE = "acknowledge"
    MITIGATE = "mitigate"
    RESOLVE = "resolve"


class Targets(Frozen):
    """Seconds per measure for one severity."""

    acknowledge_s: int = Field(gt=0)
    mitigate_s: int = Field(gt=0)
    resolve_s: int = Field(gt=0)

    def of(self, measure: Measure) -> int:
        """The target of one measure."""
        return {
            Measure.ACKNOWLEDGE: self.acknowledge_s,
            Measure.MITIGATE: self.mitigate_s,
            Measure.RESOLVE: self.resolve_s,
        }[measure]


class SlaPolicy(Frozen):
    """`rules/sla.yaml`: targets per severity, and the share of a target after which a warning goes out."""

    warn_at_pct: float = Field(default=75.0, gt=0, lt=100)
    targets: dict[Severity, Targets]


@dataclass(frozen=True, slots=True)
class Clock:
    """One clock. `elapsed_s` counts finished stretches; while it runs, `running_since` adds to it."""

    measure: Measure
    target_s: int
    started_at: datetime
    running_since: datetime | None
    elapsed_s: float = 0.0
    warned_at: datetime | None = None
    breached_at: datetime | None = None
    stopped_at: datetime | None = None

    def spent_s(self, now: datetime) -> float:
        """Seconds that count, up to now."""
        running = (now - self.running_since).total_seconds() if self.running_since else 0.0
        return self.elapsed_s + max(0.0, running)

    @property
    def due_at(self) -> datetime | None:
        """When the target is missed if it runs on; None while it does not run."""
        if self.running_since is None:
            return None
        return self.running_since + timedelta(seconds=self.target_s - self.elapsed_s)

    def warn_at(self, warn_at_pct: float) -> datetime | None:
        """When the warning is due; None while it does not run or after it was given."""
        if self.running_since is None or self.warned_at is not None:
            return None
        return self.running_since + timedelta(seconds=self.target_s * warn_at_pct / 100 - self.elapsed_s)


def start_clocks(targets: Targets, *, at: datetime) -> list[Clock]:
    """The clocks of a new incident, all running."""
    return [Clock(measure, targets.of(measure), at, at) for measure in Measure]


def pause(clock: Clock, *, at: datetime) -> Clock:
    """Stop counting for now; a paused or stopped clock stays as it is."""
    if clock.running_since is None:
        return clock
    return replace(clock, elapsed_s=clock.spent_s(at), running_since=None)


def resume(clock: Clock, *, at: datetime) -> Clock:
    """Count on, unless it is stopped or running."""
    if clock.running_since is not None or clock.stopped_at is not None:
        return clock
    return replace(clock, running_since=at)


def stop(clock: Clock, *, at: datetime) -> Clock:
    """What it measures has happened. The first time counts; only reopening undoes it."""
    if clock.stopped_at is not None:
        return clock
    return replace(pause(clock, at=at), stopped_at=at)


def reopen(clock: Clock, *, at: datetime, is_acknowledged: bool = True) -> Clock:
    """Count on with what was spent; the time in between does not count. A first acknowledgement stays what it was.

    Args:
        is_acknowledged: somebody has acknowledged the incident; where nobody has, that clock runs on too.
    """
    if clock.stopped_at is None or (clock.measure is Measure.ACKNOWLEDGE and is_acknowledged):
        return clock
    return replace(clock, stopped_at=None, running_since=at)


def retarget(clock: Clock, targets: Targets, *, at: datetime) -> Clock:
    """Another severity, another target, and a warning of its own. What the new target has no time left for is missed at `at`.

    A miss that happened stays; a stopped clock keeps the target that it was stopped under.
    """
    target_s = targets.of(clock.measure)
    if clock.stopped_at is not None or target_s == clock.target_s:
        return clock
    return mark_breach(replace(clock, target_s=target_s, warned_at=None), missed_at=at, now=at)


def mark_breach(clock: Clock, *, missed_at: datetime, now: datetime) -> Clock:
    """The clock, marked as missed at that instant if it has spent more than its target by `now` and is not marked yet."""
    is_late = clock.breached_at is None and clock.stopped_at is None and clock.spent_s(now) > clock.target_s
    return replace(clock, breached_at=missed_at) if is_late else clock
