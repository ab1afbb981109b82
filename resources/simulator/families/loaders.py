"""The ETL loaders' own metrics, derived from the same runs that fill the table etl_runs, and the signal funnel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from resources.simulator.estate_day import EstateDay
from resources.simulator.etl_runs import DayRuns
from resources.simulator.families.family import Family, SeriesSpec
from resources.simulator.grid import SAMPLES_PER_DAY, Bools, Floats, Ints, first_index_at
from resources.simulator.topology import Topology

FUNNEL = ("received", "validated", "persisted", "archived")
USUALLY_INVALID, USUALLY_LOST, ARCHIVED_SHARE = 0.006, 0.002, 0.4


def build_loader_families(topology: Topology) -> list[Family]:
    """Counters and last values by loader; signals by stage of the funnel."""
    names = [loader.name for loader in topology.loaders]

    def per_loader(name: str, *, is_counter: bool, **labels: str) -> list[SeriesSpec]:
        return [
            SeriesSpec(name, {"job": "etl", "loader": loader, **labels}, "loader", is_counter=is_counter)
            for loader in names
        ]

    counters = [
        *per_loader("etl_loader_runs_total", is_counter=True, outcome="success"),
        *per_loader("etl_loader_runs_total", is_counter=True, outcome="failure"),
        *per_loader("etl_rows_total", is_counter=True),
        *per_loader("etl_rows_rejected_total", is_counter=True),
    ]
    gauges = [
        *per_loader("etl_loader_duration_seconds", is_counter=False),
        *per_loader("etl_loader_last_success_timestamp_seconds", is_counter=False),
    ]
    funnel = [
        SeriesSpec("signals_ingested_total", {"job": "etl", "service": "loader", "stage": s}, "loader", is_counter=True)
        for s in FUNNEL
    ]
    return [
        Family("loader_counters", counters, _compute_counters),
        Family("loader_gauges", gauges, _compute_gauges),
        Family("funnel", funnel, _compute_funnel),
    ]


def _finished_at_sample(runs: DayRuns, day: int) -> tuple[Ints, Bools]:
    """(sample of the day at which a run's end is first seen, whether that lies in the day)."""
    index = first_index_at(np.round(runs.finished_s * 1000).astype(np.int64)) - day * SAMPLES_PER_DAY
    return index, (index >= 0) & (index < SAMPLES_PER_DAY)


def _recent(day: EstateDay) -> Sequence[DayRuns]:
    return (day.previous().runs, day.runs)


def _compute_counters(day: EstateDay) -> Floats:
    count = len(day.topology.loaders)
    rows = np.zeros((4, count, SAMPLES_PER_DAY))
    for runs in _recent(day):
        index, here = _finished_at_sample(runs, day.day)
        loader, at, ok = runs.loader_index[here], index[here], runs.is_success[here]
        rejected = np.where(ok, runs.rows_read[here] - runs.rows_written[here], 0)
        np.add.at(rows[0], (loader, at), ok)
        np.add.at(rows[1], (loader, at), ~ok)
        np.add.at(rows[2], (loader, at), runs.rows_written[here])
        np.add.at(rows[3], (loader, at), rejected)
    return rows.reshape(4 * count, SAMPLES_PER_DAY)


def _compute_gauges(day: EstateDay) -> Floats:
    """Duration of the newest finished run and instant of the newest success, held until the next one."""
    count = len(day.topology.loaders)
    rows = np.full((2, count, SAMPLES_PER_DAY + 1), np.nan)  # column 0: what was known at midnight
    for runs in _recent(day):
        order = np.argsort(runs.finished_s, kind="stable")
        index, _ = _finished_at_sample(runs, day.day)
        at = np.clip(index[order] + 1, 0, SAMPLES_PER_DAY + 1)
        seen = at <= SAMPLES_PER_DAY
        loader, at, ok = runs.loader_index[order][seen], at[seen], runs.is_success[order][seen]
        finished = runs.finished_s[order][seen]
        rows[0, loader, at] = np.round(finished - runs.started_s[order][seen], 3)
        rows[1, loader[ok], at[ok]] = np.floor(finished[ok])
    return hold_last(rows.reshape(2 * count, -1))[:, 1:]


def hold_last(values: Floats) -> Floats:
    """Each NaN replaced by the newest number before it in its row; leading NaN stay."""
    position = np.where(np.isnan(values), 0, np.arange(values.shape[1])[None, :])
    newest = np.maximum.accumulate(position, axis=1)
    return np.take_along_axis(values, newest, axis=1)


def _compute_funnel(day: EstateDay) -> Floats:
    """Each stage is the one before it without what was lost there."""
    per_s = 14.0 * day.state.requests_per_s["loader"]
    broken = np.clip(USUALLY_LOST + day.state.error_ratio["postgres"], 0, 0.95)
    received, invalid, lost, archived = day.draw_counts(
        "funnel", np.array([per_s, per_s * USUALLY_INVALID, per_s * broken, per_s * ARCHIVED_SHARE])
    )
    validated = np.maximum(0.0, received - invalid)
    persisted = np.maximum(0.0, validated - lost)
    return np.array([received, validated, persisted, np.minimum(archived, persisted)])
