"""Faults as data: what a fault does to the estate, when it was active, and what its effects add up to at an instant.

The catalogue is `rules/estate/faults.yaml`. Effects set conditions of one target; how conditions spread along the
service graph is the business of `component_state.py`. Nothing here reads a clock or a file except the loader.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from pydantic import Field

from domain.errors import NotFoundError
from resources.rule_files import load_rule_file
from resources.simulator.grid import Floats
from resources.simulator.topology import SHIPPED_RULES, Frozen


class Condition(StrEnum):
    """What a fault can change. `_x` multiplies (neutral 1), everything else adds (neutral 0)."""

    LATENCY_X = "latency_x"
    TRAFFIC_X = "traffic_x"
    ERROR_RATIO = "error_ratio"
    TIMEOUT_RATIO = "timeout_ratio"
    AUTH_FAILURE_RATIO = "auth_failure_ratio"
    POOL_HELD = "pool_held"
    MEMORY_RATIO = "memory_ratio"
    CPU_RATIO = "cpu_ratio"
    DISK_RATIO = "disk_ratio"
    RESTARTS_PER_MIN = "restarts_per_min"
    BREAKER_OPEN = "breaker_open"
    SCRAPE_LOST = "scrape_lost"
    INGEST_DELAY_S = "ingest_delay_s"
    FAIL_RATIO = "fail_ratio"
    DURATION_X = "duration_x"
    ROWS_X = "rows_x"
    REJECTED_RATIO = "rejected_ratio"
    CACHE_AGE_S = "cache_age_s"
    DEADLOCKS_PER_MIN = "deadlocks_per_min"

    @property
    def neutral(self) -> float:
        """The value of an estate without faults."""
        return 1.0 if self.value.endswith("_x") else 0.0


class Effect(Frozen):
    """One condition of one target. `ramp_s` grows it linearly to full strength; `every_s` and `duty` pulse it."""

    condition: Condition
    target: str
    value: float
    ramp_s: float = 0.0
    every_s: float = 0.0
    duty: float = 0.5

    def compute_strength(self, since_start_s: Floats) -> Floats:
        """Share of the full effect, 0..1, at seconds since onset."""
        strength = np.ones_like(since_start_s)
        if self.ramp_s:
            strength = np.clip(since_start_s / self.ramp_s, 0.0, 1.0)
        if self.every_s:
            strength = strength * ((since_start_s % self.every_s) < self.duty * self.every_s)
        return strength


class FaultLog(Frozen):
    """Log lines that a fault writes while it is active, on top of the usual ones."""

    service: str
    level: str
    per_min: float
    message: str
    error_type: str = ""


class Proof(Frozen):
    """How to see the fault: over its window the query is at least this many times, or this much above, its usual value.

    `lost: true` says that the series disappears instead; `at_most_x` that it falls to this share.
    """

    promql: str
    at_least_x: float | None = None
    at_most_x: float | None = None
    at_least_plus: float | None = None
    lost: bool = False


class FaultDefinition(Frozen):
    """One entry of the catalogue."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]+$")
    title: str
    description: str
    target: str
    signals: list[str] = Field(description="metric names and log patterns that move")
    effects: list[Effect]
    logs: list[FaultLog] = Field(default_factory=list)
    proofs: list[Proof] = Field(default_factory=list)
    default_for_s: float = 600.0


class SeededFault(Frozen):
    """A fault of the history, by its distance from the estate's origin."""

    fault: str
    after_days: float
    for_s: float


class FaultCatalogue(Frozen):
    """All faults, in the order they are listed to a reader."""

    faults: list[FaultDefinition]
    seeded: list[SeededFault] = Field(default_factory=list)

    def find(self, name: str) -> FaultDefinition:
        """The fault of that name.

        Raises:
            NotFoundError: there is none; the suggestion lists all names.
        """
        for fault in self.faults:
            if fault.name == name:
                return fault
        names = ", ".join(fault.name for fault in self.faults)
        raise NotFoundError(f"no fault is called {name!r}", suggestion=f"choose one of: {names}", fault=name)


@dataclass(frozen=True, slots=True)
class FaultWindow:
    """Ground truth: one fault was active in [started_s, ended_s), epoch seconds."""

    window_id: str
    fault: str
    started_s: float
    ended_s: float
    origin: str = "operator"


class Conditions:
    """The sum of all active effects as functions of time."""

    def __init__(self, catalogue: FaultCatalogue, windows: Sequence[FaultWindow]) -> None:
        self._effects: dict[tuple[Condition, str], list[tuple[FaultWindow, Effect]]] = {}
        for window in windows:
            for effect in catalogue.find(window.fault).effects:
                self._effects.setdefault((effect.condition, effect.target), []).append((window, effect))

    def compute(self, condition: Condition, target: str, times_s: Floats) -> Floats:
        """The condition of a target at each instant; an array of the neutral value when nothing touches it."""
        total = np.full(times_s.shape, condition.neutral)
        for window, effect in self._effects.get((condition, target), []):
            active = (times_s >= window.started_s) & (times_s < window.ended_s)
            if not active.any():
                continue
            strength = effect.compute_strength(times_s - window.started_s) * active
            if condition.neutral:
                total *= 1.0 + (effect.value - 1.0) * strength
            else:
                total += effect.value * strength
        return total


def load_fault_catalogue(rules: Path = SHIPPED_RULES) -> FaultCatalogue:
    """The shipped faults, or an operator's."""
    return load_rule_file(rules / "estate" / "faults.yaml", FaultCatalogue)
