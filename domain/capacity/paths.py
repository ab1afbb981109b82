"""Simulated futures of gauges. Two sorts, in equal number where history allows both.

Drifting: past shocks, drawn at random, drive the walk with drift and noise of `domain.capacity.walk`. Modelled: the forecast
of `domain.forecasts` plus whole error paths of its own backtest, with either sign, so that seasons take part. Random numbers
are fixed and shared by all gauges: an answer does not depend on what else is in the call. Reference: Hyndman &
Athanasopoulos, Forecasting: Principles and Practice, ch. 5.5 (bootstrap).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from domain.capacity.walk import fit_walk
from domain.forecasts.backtest import compute_needed, run_backtest
from domain.forecasts.panel import Panel
from domain.forecasts.registry import DEFAULT_MODELS, choose_models
from domain.forecasts.selection import select
from domain.seasonality import compute_grid_periods
from domain.seasonality.regular_grid import Bools, Floats, Ints, RegularGrid

#: Newest changes that paths are made of.
TREND_BINS = 60
PATHS = 250
SEED = 20_250_101
#: Gauges modelled at once; bounds memory, not the answer.
BATCH_GAUGES = 500

Paths = npt.NDArray[np.floating[Any]]


def draw_drifting(values: Floats, horizon: int) -> Iterator[tuple[Ints, Paths]]:
    """Batches of (rows, paths): paths (rows, PATHS, horizon) as changes from the last value, each row exactly once."""
    lengths = np.minimum((~np.isnan(values)).sum(axis=1) - 1, TREND_BINS)
    batch = max(1, 4_000_000 // (PATHS * horizon))
    ahead = np.arange(1, horizon + 1, dtype=np.float32)
    for window in np.unique(lengths):
        rows = np.flatnonzero(lengths == window)
        random = np.random.default_rng(SEED)
        picks = random.integers(0, window, (PATHS, horizon))
        doubt = (random.standard_normal((PATHS, 1)) * ahead).astype(np.float32)
        for start in range(0, len(rows), batch):
            part = rows[start : start + batch]
            walk = fit_walk(values[part, -(int(window) + 1) :])
            shocks = np.take(walk.shocks.astype(np.float32), picks, axis=1)
            stays = (1 - walk.theta).astype(np.float32)[:, None, None]
            paths = np.cumsum(shocks, axis=2)
            paths *= stays
            paths += np.multiply(shocks, 1 - stays, out=shocks)
            paths += walk.drift_error.astype(np.float32)[:, None, None] * doubt
            paths += (walk.start[:, None] + walk.drift[:, None] * ahead)[:, None, :].astype(np.float32)
            yield part, paths


def draw_modelled(values: Floats, bin_s: Floats, *, horizon: int) -> Iterator[tuple[Ints, Paths]]:
    """Batches of (rows, paths) like `draw_drifting`, for the rows with history enough for a backtest; others are absent."""
    lengths = np.asarray((~np.isnan(values)).sum(axis=1), dtype=np.int64)
    able = lengths >= compute_needed(lengths, horizon)
    rows = np.flatnonzero(able)
    if rows.size == 0:
        return
    models = choose_models(DEFAULT_MODELS)
    for periods, part in _group_by_periods(values, bin_s, rows):
        for start in range(0, len(part), BATCH_GAUGES):
            batch = part[start : start + BATCH_GAUGES]
            panel = Panel(values[batch], ~np.isnan(values[batch]), periods, float(bin_s[batch[0]]))
            choice = select(run_backtest(panel, models, horizon), np.ones(len(batch)))
            yield batch, _add_errors(choice.forecast - values[batch, -1:], choice.residuals)


def _group_by_periods(values: Floats, bin_s: Floats, rows: Ints) -> Iterator[tuple[tuple[int, ...], Ints]]:
    part = values[rows]
    observed: Bools = ~np.isnan(part)
    found, _ = compute_grid_periods(
        RegularGrid(rows, part, observed, bin_s[rows], np.zeros(len(rows), dtype=np.int64), pl.DataFrame())
    )
    keys = np.column_stack([np.sort(found, axis=1), bin_s[rows]])
    distinct, group = np.unique(keys, axis=0, return_inverse=True)
    for index, key in enumerate(distinct):
        yield tuple(int(period) for period in key[:2] if period > 0), rows[group.ravel() == index]


def _add_errors(centre: Floats, residuals: Floats) -> Floats:
    """(rows, PATHS, horizon): the centre plus a backtest error path per simulated path, origin and sign at random."""
    complete = np.isfinite(residuals).all(axis=2)
    order = np.argsort(~complete, axis=0, kind="stable")
    count = np.maximum(complete.sum(axis=0), 1)
    random = np.random.default_rng(SEED)
    pick = (random.random((PATHS, 1)) * count).astype(np.int64)
    origin = np.take_along_axis(order, pick, axis=0)
    errors = np.nan_to_num(residuals[origin.T, np.arange(len(centre))[:, None]])
    return np.asarray(centre[:, None, :] + random.choice([-1.0, 1.0], (PATHS, 1)) * errors)
