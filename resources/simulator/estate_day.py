"""One day of the estate with everything the families need from it, computed once and only when asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from resources.simulator.component_state import DayState, compute_day_state
from resources.simulator.etl_runs import DayRuns, compute_day_runs
from resources.simulator.fault_model import Condition, Conditions
from resources.simulator.grid import SAMPLES_PER_DAY, SCRAPE_MS, Floats, day_times_s
from resources.simulator.noise import compute_poisson, compute_smooth_noise, day_generator
from resources.simulator.topology import Topology

SCRAPE_S = SCRAPE_MS / 1000.0


@dataclass
class EstateDay:
    """The context of one day; `previous` gives the day before (runs that end after midnight)."""

    topology: Topology
    conditions: Conditions
    seed: int
    origin_day: int
    day: int
    previous: Callable[[], EstateDay]

    @cached_property
    def times_s(self) -> Floats:
        """Scrape instants, epoch seconds."""
        return day_times_s(self.day)

    @cached_property
    def age_days(self) -> Floats:
        """Days since the estate's origin."""
        return self.times_s / 86_400.0 - self.origin_day

    @cached_property
    def state(self) -> DayState:
        """Traffic, latency and errors of every component."""
        return compute_day_state(
            self.topology,
            self.conditions,
            seed=self.seed,
            day=self.day,
            origin_day=self.origin_day,
            times_s=self.times_s,
        )

    @cached_property
    def runs(self) -> DayRuns:
        """ETL runs that start on this day."""
        return compute_day_runs(self.topology, self.conditions, self.state, seed=self.seed, day=self.day)

    @cached_property
    def request_counts(self) -> dict[tuple[str, str], Floats]:
        """Requests per scrape interval of every (service, path); whole numbers."""
        keys = [(s.name, e.path) for s in self.topology.services for e in s.endpoints]
        shares = [e.share for s in self.topology.services for e in s.endpoints]
        means = np.array(
            [self.state.requests_per_s[name] * share for (name, _), share in zip(keys, shares, strict=True)]
        )
        return dict(zip(keys, self.draw_counts("requests", means), strict=True))

    @cached_property
    def call_counts(self) -> dict[tuple[str, str], Floats]:
        """Calls per scrape interval of every edge; whole numbers."""
        means = np.array([self.state.edge_calls_per_s[edge] for edge in self.topology.edges])
        return dict(zip(self.topology.edges, self.draw_counts("calls", means), strict=True))

    def draw_counts(self, name: str, per_s: Floats) -> Floats:
        """Poisson counts per scrape interval for rates [rows, K]."""
        uniform = day_generator(self.seed, f"{name}/counts", self.day).random((len(per_s), SAMPLES_PER_DAY))
        return compute_poisson(per_s * SCRAPE_S, uniform)

    def smooth(self, name: str, rows: int) -> Floats:
        """[rows, K] of smooth N(0, 1) noise."""
        return compute_smooth_noise(self.seed, name, self.day, rows)

    def jitter(self, name: str, rows: int) -> Floats:
        """[rows, K] of independent N(0, 1) noise."""
        return day_generator(self.seed, f"{name}/jitter", self.day).standard_normal((rows, SAMPLES_PER_DAY))

    def condition(self, condition: Condition, target: str) -> Floats:
        """A fault condition of one target over the day."""
        return self.conditions.compute(condition, target, self.times_s)


def build_days(
    topology: Topology, conditions: Conditions, *, seed: int, origin_day: int, keep: int = 6
) -> Callable[[int], EstateDay]:
    """A function day → EstateDay that remembers the last few days."""

    @lru_cache(maxsize=keep)
    def day_of(day: int) -> EstateDay:
        return EstateDay(topology, conditions, seed, origin_day, day, lambda: day_of(day - 1))

    return day_of
