"""Functions of range vectors: rate and its kin with Prometheus's extrapolation, and the *_over_time family.

Source of the formulas: Prometheus 2.42, promql/functions.go (extrapolatedRate, instantValue, linearRegression).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from resources.simulator.grid import Bools, Floats
from resources.simulator.promql.windows import RangeBlock

Answer = tuple[Floats, Bools]
EXTRAPOLATE_BELOW = 1.1


def compute_extrapolated(block: RangeBlock, *, is_counter: bool, is_rate: bool) -> Answer:
    """rate, increase (counter) and delta (gauge): the change over the window, stretched towards its bounds."""
    count = block.count()
    level = _without_resets(block) if is_counter else block.held
    first_level = block.at(level, block.first_index())
    change = block.at(level, block.last_index()) - first_level
    if is_counter:  # the level never falls, but its first sample must be the raw one for the zero point
        first_level = block.at(block.held, block.first_index())
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = _compute_stretch(block, change, first_level if is_counter else None)
        if is_rate:
            factor = factor / ((block.end_ms - block.begin_ms) / 1000.0)[None, :]
        return change * factor, count > 1


def _without_resets(block: RangeBlock) -> Floats:
    """A counter that never falls: at every fall the lost level is added again."""
    held = block.held
    has_fallen = held[:, 1:] < held[:, :-1]
    rows = np.flatnonzero(has_fallen.any(axis=1))
    if not rows.size:
        return held
    level = held.copy()
    level[rows, 1:] += np.cumsum(np.where(has_fallen[rows], held[rows, :-1], 0.0), axis=1)
    return level


def _compute_stretch(block: RangeBlock, change: Floats, first_value: Floats | None) -> Floats:
    """How much longer the extrapolated interval is than the sampled one: [rows, steps], or [1, steps] if all agree."""
    rows = slice(0, 1) if block.is_complete else slice(None)  # without gaps every row was sampled at the same instants
    first, last, count = block.first_index()[rows], block.last_index()[rows], block.count()[rows]
    to_start = (block.times_ms(first) - block.begin_ms[None, :]) / 1000.0
    to_end = (block.end_ms[None, :] - block.times_ms(last)) / 1000.0
    sampled = (block.times_ms(last) - block.times_ms(first)) / 1000.0
    between = sampled / (count - 1)
    threshold = between * EXTRAPOLATE_BELOW
    if first_value is not None:
        near_zero = (first_value * sampled < to_start * change) & (first_value >= 0)
        if near_zero.any():
            to_start = np.where(near_zero, sampled * (first_value / change), to_start)
    stretched = sampled + np.where(to_start < threshold, to_start, between / 2)
    stretched = stretched + np.where(to_end < threshold, to_end, between / 2)
    ratio: Floats = stretched / sampled
    return ratio


def compute_instant_change(block: RangeBlock, *, is_rate: bool) -> Answer:
    """irate (counter, per second) and idelta: the change between the last two samples of the window."""
    last = block.last_index()
    previous = np.maximum(last - 1, 0)
    if not block.is_complete:
        previous = np.maximum(np.take_along_axis(block._newest_before, previous, axis=1), 0)  # noqa: SLF001
    newest, older = block.at(block.held, last), block.at(block.held, previous)
    change = np.where(newest < older, newest, newest - older) if is_rate else newest - older
    seconds = (block.times_ms(last) - block.times_ms(previous)) / 1000.0
    with np.errstate(divide="ignore", invalid="ignore"):
        return (change / seconds if is_rate else change), block.count() > 1


def compute_change_count(block: RangeBlock, *, only_falls: bool) -> Answer:
    """changes and resets: how often the value differs from (falls below) the sample before it in the window."""
    held = block.held
    moved = (held[:, 1:] < held[:, :-1]) if only_falls else (held[:, 1:] != held[:, :-1])
    total = np.concatenate([np.zeros((len(held), 1)), np.cumsum(moved, axis=1)], axis=1)
    return block.at(total, block.last_index()) - block.at(total, block.first_index()), block.count() > 0


def compute_sum(block: RangeBlock) -> Answer:
    """sum_over_time."""
    return block.reduce(np.add, 0.0), block.count() > 0


def compute_average(block: RangeBlock) -> Answer:
    """avg_over_time."""
    count = block.count()
    return block.reduce(np.add, 0.0) / np.maximum(count, 1), count > 0


def compute_minimum(block: RangeBlock) -> Answer:
    """min_over_time."""
    return block.reduce(np.minimum, np.inf), block.count() > 0


def compute_maximum(block: RangeBlock) -> Answer:
    """max_over_time."""
    return block.reduce(np.maximum, -np.inf), block.count() > 0


def compute_count(block: RangeBlock) -> Answer:
    """count_over_time."""
    count = block.count()
    return count.astype(np.float64), count > 0


def compute_last(block: RangeBlock) -> Answer:
    """last_over_time."""
    return block.at(block.held, block.last_index()), block.count() > 0


def compute_present(block: RangeBlock) -> Answer:
    """present_over_time."""
    present = block.count() > 0
    return present.astype(np.float64), present


def compute_variance(block: RangeBlock) -> Answer:
    """stdvar_over_time: population variance."""
    return _by_window(block, lambda window: np.nanvar(window, axis=2))


def compute_quantile(block: RangeBlock, q: float) -> Answer:
    """quantile_over_time with linear interpolation; ±Inf outside [0, 1]."""
    if np.isnan(q) or q < 0 or q > 1:
        edge = np.nan if np.isnan(q) else np.copysign(np.inf, q - 0.5)
        present = block.count() > 0
        return np.full(present.shape, edge), present
    return _by_window(block, lambda window: _interpolate(window, q))


def _interpolate(window: Floats, q: float) -> Floats:
    """Linear interpolation between order statistics along the last axis; NaN are gaps (sorted to the end)."""
    ordered = np.sort(window, axis=2)
    rank = q * (np.sum(~np.isnan(window), axis=2) - 1)
    lower = np.clip(np.floor(rank), 0, None).astype(np.int64)
    upper = np.clip(np.ceil(rank), 0, None).astype(np.int64)
    low, high = (np.take_along_axis(ordered, i[:, :, None], axis=2)[:, :, 0] for i in (lower, upper))
    answer: Floats = low + (high - low) * (rank - lower)
    return answer


def _by_window(block: RangeBlock, reduce: Callable[[Floats], Floats]) -> Answer:
    values = np.full((len(block.labels), block.low.size), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # empty windows are masked below
        for steps, window, _ in block.gathered():
            values[:, steps] = reduce(window)
    return values, block.count() > 0


def compute_regression(block: RangeBlock, *, ahead_s: Floats | None = None) -> Answer:
    """deriv (slope per second), or predict_linear: the least-squares line `ahead_s` after each step."""
    values = np.full((len(block.labels), block.low.size), np.nan)
    for steps, window, column in block.gathered():
        inside = ~np.isnan(window)
        n = inside.sum(axis=2)
        origin = block.end_ms[steps]
        if ahead_s is None:  # deriv measures time from the first sample
            origin = block.times_ms(block.first_index()[0, steps])
        x = np.where(inside, ((block.times_ms(column) - origin[:, None]) / 1000.0)[None], 0.0)
        y = np.where(inside, window, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            x_mean, y_mean = x.sum(axis=2) / n, y.sum(axis=2) / n
            dx = np.where(inside, x - x_mean[:, :, None], 0.0)
            dy = np.where(inside, y - y_mean[:, :, None], 0.0)
            slope = (dx * dy).sum(axis=2) / (dx * dx).sum(axis=2)
            intercept = y_mean - slope * x_mean
        values[:, steps] = slope if ahead_s is None else slope * ahead_s[None, steps] + intercept
    return values, block.count() > 1
