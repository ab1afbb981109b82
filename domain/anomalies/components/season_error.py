"""Errors against the same time of earlier days that are larger than any seen before."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from domain.anomalies.components.block import RELATIVE_ZERO, Block, Floats, State, shift
from domain.anomalies.components.day_table import SLOTS, advance_day_table
from domain.anomalies.components.weighted_mean import advance_weighted_mean

#: Rows of the level that is added to the table, and over which the error is smoothed.
LEVEL_SPAN, ERROR_SPAN = 60, 30
#: Rows with an earlier day behind them before the error may speak.
WARM_UP = 96
CAP = 1.0


def start_season_error(series: int) -> State:
    """State before the first row."""
    tables = {name: np.zeros((series, SLOTS)) for name in ("day_total", "day_weight", "day_sum", "day_count")}
    flat = {name: np.zeros(series) for name in ("season_level", "season_error", "season_record")}
    return {**tables, **flat, "day_now": np.full(series, -1, np.int64), "season_rows": np.zeros(series, np.int64)}


def advance_season_error(state: State, block: Block, *, level: Floats) -> tuple[State, Floats, Floats]:
    """Surprise = excess of the smoothed error over the largest so far, as a share of it, in [0, CAP]; and the prediction.

    The prediction is the table's value plus how far the series has recently been from the table; where no earlier day
    has the slot, `level` [series, time] is predicted and the surprise is 0.
    """
    after, table = advance_day_table(state, block)
    is_known = ~np.isnan(table)
    profile = np.where(is_known, table, level)
    distance = block.value - profile
    total, offset, _ = advance_weighted_mean(state["season_level"], distance, seen=block.seen, span=LEVEL_SPAN)
    error = np.where(is_known, np.abs(distance - offset), 0.0)
    smooth_total, _, smooth = advance_weighted_mean(state["season_error"], error, seen=block.seen, span=ERROR_SPAN)
    records = np.maximum.accumulate(np.maximum(smooth * is_known, state["season_record"][:, None]), axis=1)
    rows = state["season_rows"][:, None] + np.cumsum(is_known, axis=1)
    surprise = _excess(smooth, shift(state["season_record"], records), unit=RELATIVE_ZERO * np.abs(profile))
    after |= {
        "season_level": total,
        "season_error": smooth_total,
        "season_record": records[:, -1],
        "season_rows": rows[:, -1],
    }
    return after, np.where(is_known & (rows > WARM_UP), surprise, 0.0), np.where(is_known, profile + offset, level)


def _excess(smooth: Floats, record: Floats, *, unit: Floats) -> NDArray[np.float64]:
    return np.clip((smooth - record) / (record + unit + np.finfo(float).tiny), 0.0, CAP)
