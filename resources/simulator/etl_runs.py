"""The ETL runs of the estate: one row per run that starts on a day. Feeds the loader metrics and the table etl_runs.

A run waits for the database (its duration follows PostgreSQL's latency) and fails by its own ratio or a fault's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from resources.simulator.component_state import DayState
from resources.simulator.fault_model import Condition, Conditions
from resources.simulator.grid import DAY_MS, Bools, Floats, Ints
from resources.simulator.noise import day_generator
from resources.simulator.season import compute_batch_season
from resources.simulator.topology import EtlLoader, Topology

DAY_S = DAY_MS // 1000
USUAL_INSERT_DELAY_S = 3.0


@dataclass(frozen=True)
class DayRuns:
    """Columns of equal length, in order of loader, then start. Times in epoch seconds."""

    loader: list[str]
    loader_index: Ints
    started_s: Floats
    finished_s: Floats
    inserted_s: Floats
    rows_read: Ints
    rows_written: Ints
    is_success: Bools


def compute_day_runs(topology: Topology, conditions: Conditions, state: DayState, *, seed: int, day: int) -> DayRuns:
    """All runs that start on that day; `state` is the state of the same day."""
    parts = [_compute_loader(loader, topology, conditions, state, seed=seed, day=day) for loader in topology.loaders]
    names = [
        loader.name for loader, part in zip(topology.loaders, parts, strict=True) for _ in range(len(part["started_s"]))
    ]
    index = np.repeat(np.arange(len(parts)), [len(part["started_s"]) for part in parts])
    joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    return DayRuns(
        loader=names,
        loader_index=index,
        started_s=joined["started_s"],
        finished_s=joined["finished_s"],
        inserted_s=joined["inserted_s"],
        rows_read=joined["rows_read"].astype(np.int64),
        rows_written=joined["rows_written"].astype(np.int64),
        is_success=joined["is_success"] > 0.5,
    )


def _compute_loader(
    loader: EtlLoader, topology: Topology, conditions: Conditions, state: DayState, *, seed: int, day: int
) -> dict[str, Floats]:
    count = DAY_S // loader.period_s
    draws = day_generator(seed, f"runs/{loader.name}", day)
    normal, uniform = draws.standard_normal((2, count)), draws.random((3, count))
    started = day * DAY_S + np.arange(count) * loader.period_s + loader.phase_s + np.floor(4 * uniform[2])
    season = compute_batch_season(started)
    rows = loader.rows * season * np.exp(0.12 * normal[0])
    rows = np.floor(rows * conditions.compute(Condition.ROWS_X, loader.name, started))
    moment = np.clip(((started - state.times_s[0]) / (state.times_s[1] - state.times_s[0])).astype(int), 0, None)
    moment = np.minimum(moment, state.times_s.size - 1)
    slowness = state.latency_ms["postgres"][moment] / topology.component["postgres"].own_ms
    duration = loader.duration_s * (0.6 + 0.4 * season) * np.exp(0.13 * normal[1]) * (0.85 + 0.15 * slowness)
    duration = duration * conditions.compute(Condition.DURATION_X, loader.name, started)
    broken = state.error_ratio["postgres"][moment] + conditions.compute(Condition.FAIL_RATIO, loader.name, started)
    is_success = uniform[0] >= loader.fail_ratio + broken
    rejected = 0.002 + conditions.compute(Condition.REJECTED_RATIO, loader.name, started)
    finished = started + np.maximum(1.0, np.where(is_success, duration, duration * (0.2 + 0.8 * uniform[1])))
    finished = np.floor(finished * 1000) / 1000
    delay = USUAL_INSERT_DELAY_S + conditions.compute(Condition.INGEST_DELAY_S, loader.name, finished)
    return {
        "started_s": started,
        "finished_s": finished,
        "inserted_s": finished + delay,
        "rows_read": rows,
        "rows_written": np.where(is_success, np.floor(rows * (1 - np.minimum(rejected, 1.0))), 0.0),
        "is_success": is_success.astype(np.float64),
    }
