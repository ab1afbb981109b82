"""Weighted mean of earlier days for each half hour of the day, per series: what the series does at this time of day."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from domain.anomalies.components.block import Block, Floats, State

SLOTS = 48
#: Weight of the newest complete day.
DAY_WEIGHT = 0.3
_US_PER_DAY = 86_400_000_000
_FIRST_DAY, _DAYS = -40_000_000, 80_000_000


def advance_day_table(state: State, block: Block) -> tuple[State, Floats]:
    """Table value of earlier days for each row [series, time]; NaN where no earlier day has the slot.

    The means of the present day wait in `day_sum` and `day_count` until a row of a later day arrives. The loop runs over
    the days of the block.
    """
    day = block.at_us // _US_PER_DAY
    slot = block.at_us % _US_PER_DAY // (_US_PER_DAY // SLOTS)
    cell = (np.arange(day.shape[0])[:, None] * SLOTS + slot).ravel()
    waiting = np.flatnonzero(state["day_count"].ravel() > 0)
    days = np.concatenate([np.repeat(state["day_now"], SLOTS)[waiting], day.ravel()])
    cells = np.concatenate([waiting, cell])
    keys, group = np.unique(cells * _DAYS + (days - _FIRST_DAY), return_inverse=True)
    sums = np.bincount(group, np.concatenate([state["day_sum"].ravel()[waiting], block.value.ravel()]))
    counts = np.bincount(group, np.concatenate([state["day_count"].ravel()[waiting], np.ones(cell.size)]))
    group_cell = keys // _DAYS
    newest = np.maximum(day.max(axis=1), state["day_now"])
    is_today = keys % _DAYS + _FIRST_DAY == newest[group_cell // SLOTS]
    total, weight, before = _fold(state, sums / counts, cell=group_cell, is_today=is_today)
    today_sum, today_count = np.zeros_like(total), np.zeros_like(total)
    today_sum[group_cell[is_today]], today_count[group_cell[is_today]] = sums[is_today], counts[is_today]
    tables = {"day_total": total, "day_weight": weight, "day_sum": today_sum, "day_count": today_count}
    after: State = {name: table.reshape(-1, SLOTS) for name, table in tables.items()} | {"day_now": newest}
    return after, before[group[waiting.size :]].reshape(day.shape)


def _fold(
    state: State, means: Floats, *, cell: NDArray[np.int64], is_today: NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats]:
    total, weight = state["day_total"].ravel().copy(), state["day_weight"].ravel().copy()
    before = np.full(means.size, np.nan)
    starts = np.flatnonzero(np.diff(cell, prepend=-1))
    rank = np.arange(cell.size) - np.repeat(starts, np.diff(np.append(starts, cell.size)))
    order = np.argsort(rank, kind="stable")
    bounds = np.concatenate([[0], np.cumsum(np.bincount(rank))])
    for first, last in pairwise(bounds):
        now = order[first:last]
        cells = cell[now]
        with np.errstate(invalid="ignore"):
            before[now] = total[cells] / weight[cells]
        done = now[~is_today[now]]
        total[cell[done]] += DAY_WEIGHT * (means[done] - total[cell[done]])
        weight[cell[done]] += DAY_WEIGHT * (1.0 - weight[cell[done]])
    return total, weight, before
