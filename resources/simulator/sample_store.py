"""The estate's samples: series are chosen by matchers, values computed per family and day, and the newest days kept.

Counters are cumulated from the last deploy (at most a week back), so any range costs the same however old the estate.
A change of faults forgets only the days it touches. Thread-safe: one computation at a time.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from resources.simulator.estate_day import EstateDay, build_days
from resources.simulator.families.catalogue import build_families
from resources.simulator.families.containers import compute_restart_flags
from resources.simulator.families.family import Family, SeriesSpec
from resources.simulator.fault_model import Condition, Conditions, FaultCatalogue, FaultWindow
from resources.simulator.grid import DAY_MS, SAMPLES_PER_DAY, SCRAPE_MS, Bools, Floats, Ints, first_index_at
from resources.simulator.topology import Topology

Labels = dict[str, str]
UNIX_EPOCH_WEEKDAY = 3
WHOLE_LIMIT = 2**32
Chunk = Floats | NDArray[np.uint32]


@dataclass(frozen=True)
class Samples:
    """Rows of raw samples: labels with `__name__`, and values [rows, K] of samples first_index … ; NaN: no sample."""

    labels: list[Labels]
    first_index: int
    values: Floats


class SampleStore:
    """Raw samples as a pure function of (topology, seed, fault windows, instant), between `begin_ms` and now."""

    def __init__(
        self, topology: Topology, catalogue: FaultCatalogue, *, seed: int, begin_ms: int, cache_bytes: int = 100_000_000
    ) -> None:
        self.topology, self.catalogue, self.seed, self.begin_ms = topology, catalogue, seed, begin_ms
        self.families = build_families(topology)
        self.windows: tuple[FaultWindow, ...] = ()
        self.generation = 0
        self._cache_bytes = cache_bytes
        self._held_bytes = 0
        self._chunks: OrderedDict[tuple[str, int], Chunk] = OrderedDict()
        self._ends: dict[tuple[str, int], Floats] = {}
        self._lock = threading.RLock()
        self._day_of: Callable[[int], EstateDay] = build_days(
            topology, Conditions(catalogue, ()), seed=seed, origin_day=begin_ms // DAY_MS
        )

    def day(self, day: int) -> EstateDay:
        """The context of a day under the present fault windows."""
        return self._day_of(day)

    def replace_windows(self, windows: Sequence[FaultWindow]) -> None:
        """Take over the ground truth; computed days from the first difference on are forgotten."""
        with self._lock:
            changed = set(windows) ^ set(self.windows)
            self.windows = tuple(windows)
            if not changed:
                return
            self.generation += 1
            first_day = int(min(window.started_s for window in changed) * 1000 // DAY_MS)
            for key in [key for key in self._chunks if key[1] >= first_day]:
                self._held_bytes -= self._chunks.pop(key).nbytes
            for key in [key for key in self._ends if key[1] >= first_day]:
                del self._ends[key]
            self._day_of = build_days(
                self.topology, Conditions(self.catalogue, windows), seed=self.seed, origin_day=self.begin_ms // DAY_MS
            )

    def select(
        self, matches: Callable[[Labels], bool], names: set[str] | None, *, first_index: int, last_index: int
    ) -> Samples:
        """Samples first_index..last_index of every series whose labels (with `__name__`) match.

        Args:
            names: metric names the matchers can be satisfied by, or None when any can.
        """
        labels: list[Labels] = []
        blocks: list[Floats] = []
        for family in self.families:
            if names is not None and not (names & family.metric_names):
                continue
            rows = [i for i, spec in enumerate(family.series) if matches(full_labels(spec))]
            if rows:
                labels += [full_labels(family.series[i]) for i in rows]
                blocks.append(self._read(family, np.array(rows), first_index, last_index))
        empty = np.empty((0, max(0, last_index - first_index + 1)))
        return Samples(labels, first_index, np.concatenate(blocks) if blocks else empty)

    def _read(self, family: Family, rows: Ints, first: int, last: int) -> Floats:
        values = np.full((rows.size, max(0, last - first + 1)), np.nan)
        oldest = int(first_index_at(self.begin_ms))
        for day in range(max(first, oldest) // SAMPLES_PER_DAY, last // SAMPLES_PER_DAY + 1):
            begin = day * SAMPLES_PER_DAY
            low, high = max(first, begin, oldest), min(last, begin + SAMPLES_PER_DAY - 1)
            if low <= high:
                chunk = self._chunk(family, day)
                part = chunk[:, low - begin : high - begin + 1]
                values[:, low - first : high - first + 1] = part if rows.size == len(part) else part[rows]
        return values

    def _chunk(self, family: Family, day: int) -> Chunk:
        key = (family.name, day)
        with self._lock:
            if key in self._chunks:
                self._chunks.move_to_end(key)
                return self._chunks[key]
            if any(spec.is_counter for spec in family.series):
                for past in range(self._walk_from(family, day), day):
                    self._compute(family, past)
            chunk = _compact(self._compute(family, day))
            self._chunks[key] = chunk
            self._held_bytes += chunk.nbytes
            while self._held_bytes > self._cache_bytes and len(self._chunks) > 1:
                self._held_bytes -= self._chunks.popitem(last=False)[1].nbytes
            return chunk

    def _walk_from(self, family: Family, day: int) -> int:
        """The first day that must be computed so that the counters of `day` have their carry."""
        past = day
        while past > day - 8 and (family.name, past - 1) not in self._ends:
            past -= 1
            if self._is_deploy_day(past):
                break
        return past

    def _is_deploy_day(self, day: int) -> bool:
        return (day + UNIX_EPOCH_WEEKDAY) % 7 == self.topology.deploy_weekday

    def _compute(self, family: Family, day: int) -> Floats:
        context = self.day(day)
        values = family.compute(context)
        counters = np.array([spec.is_counter for spec in family.series])
        if counters.any():
            carry = self._ends.get((family.name, day - 1), np.zeros(len(family.series)))
            ends = self._cumulate(values, family.series, context, carry, counters)
            self._ends[family.name, day] = ends
        for owner in {spec.owner for spec in family.series if spec.is_masked}:
            lost = context.condition(Condition.SCRAPE_LOST, owner) > 0.5
            if lost.any():
                rows = np.array([spec.owner == owner and spec.is_masked for spec in family.series])
                values[np.ix_(rows, lost)] = np.nan
        return values

    def _cumulate(
        self, values: Floats, series: list[SeriesSpec], context: EstateDay, carry: Floats, counters: Bools
    ) -> Floats:
        """Turn increments into counters in place; returns the exact end of the day (before rounding down)."""
        values[counters] = np.cumsum(values[counters], axis=1) + carry[counters, None]
        for index, rows in self._resets(series, context, counters):
            before = values[rows, index - 1] if index else carry[rows]
            values[rows, index:] -= before[:, None]
        ends = values[:, -1].copy()
        whole = np.array([spec.is_counter and spec.is_whole for spec in series])
        values[whole] = np.floor(values[whole] + 1e-6)
        return ends

    def _resets(self, series: list[SeriesSpec], context: EstateDay, counters: Bools) -> list[tuple[int, Ints]]:
        resets: list[tuple[int, Ints]] = []
        if self._is_deploy_day(context.day):
            minute = self.topology.deploy_minute_of_day
            resets.append((minute * 60_000 // SCRAPE_MS, np.flatnonzero(counters)))
        for pod in {spec.pod for spec in series if spec.pod}:
            rows = np.flatnonzero([spec.pod == pod and spec.is_counter for spec in series])
            resets += [(int(i), rows) for i in np.flatnonzero(compute_restart_flags(context, pod)) if rows.size]
        return sorted(resets, key=lambda reset: reset[0])


def _compact(values: Floats) -> Chunk:
    """Whole numbers below 2³² in half the memory; anything else as it is."""
    with np.errstate(invalid="ignore"):
        whole = values.astype(np.uint32)
    return (
        whole
        if values.size and values.min() >= 0 and values.max() < WHOLE_LIMIT and (whole == values).all()
        else values
    )


def full_labels(spec: SeriesSpec) -> Labels:
    """Labels with `__name__` first."""
    return {"__name__": spec.name, **spec.labels}
