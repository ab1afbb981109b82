"""Windows unlike every remembered earlier window: novelty of shape, measured as the distance to the nearest one."""

from __future__ import annotations

import numpy as np

from domain.anomalies.components.block import RELATIVE_ZERO, Block, Floats, State, shift
from domain.anomalies.components.nearest_window import (
    PENDING,
    REMEMBERED,
    SEGMENTS,
    STRIDE,
    WINDOW_ROWS,
    measure_nearest,
)
from domain.anomalies.components.segment_means import SEGMENT_ROWS, compute_segment_means

#: Rows with a distance before it may speak.
WARM_UP = 96
CAP = 1.0
#: A distance below this share of the level is the rounding of the stored windows.
STORED_ZERO = 1e-6


def start_shape_novelty(series: int) -> State:
    """State before the first row: the last rows, the remembered windows as means of segments, and the record."""
    return {
        "shape_tail": np.full((series, WINDOW_ROWS - 1), np.nan),
        "shape_origin": np.full(series, np.nan),
        "shape_windows": np.full((series, REMEMBERED + PENDING, SEGMENTS), np.nan, np.float32),
        "shape_record": np.zeros(series),
        "shape_rows": np.zeros(series, np.int64),
    }


def advance_shape_novelty(state: State, block: Block) -> tuple[State, Floats]:
    """Surprise = excess of the distance over the largest so far, as a share of it, in [0, CAP].

    The distance is the root mean square difference of the segment means of the last 96 rows to those of the nearest of
    64 earlier windows that do not overlap them, one kept every 16 rows. Source of the idea: time series discords (Keogh,
    Lin and Fu 2005).
    """
    origin = np.where(np.isnan(state["shape_origin"]), block.value[:, 0], state["shape_origin"])
    known = np.concatenate([state["shape_tail"], block.value], axis=1)
    means = compute_segment_means(known, segments=SEGMENTS) - origin[:, None, None]
    windows, distance, center = measure_nearest(state["shape_windows"], means, seen=block.seen)
    is_known = ~np.isnan(distance)
    unit = RELATIVE_ZERO * np.abs(center + origin[:, None]) + STORED_ZERO * np.abs(center) + np.finfo(float).tiny
    distance = np.where(is_known, np.where(distance > unit, distance, 0.0), 0.0)
    unit = np.where(is_known, unit, 1.0)
    records = np.maximum.accumulate(np.maximum(distance, state["shape_record"][:, None]), axis=1)
    before = shift(state["shape_record"], records)
    excess = (distance - before) / (before + unit)
    rows = state["shape_rows"][:, None] + np.cumsum(is_known, axis=1)
    may_speak = is_known & (rows > WARM_UP)
    after: State = {
        "shape_tail": known[:, -(WINDOW_ROWS - 1) :],
        "shape_origin": origin,
        "shape_windows": windows,
        "shape_record": records[:, -1],
        "shape_rows": rows[:, -1],
    }
    return after, np.where(may_speak, np.clip(excess, 0.0, CAP), 0.0)


assert SEGMENTS * SEGMENT_ROWS == WINDOW_ROWS
assert WINDOW_ROWS % STRIDE == 0
