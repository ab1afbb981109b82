"""Distance of every window to the nearest remembered earlier window of its series that does not overlap it."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from domain.anomalies.components.block import Floats

WINDOW_ROWS, SEGMENTS = 96, 8
#: One window in STRIDE is kept; the newest PENDING of them overlap the present rows; REMEMBERED are compared.
STRIDE, REMEMBERED = 16, 64
PENDING = WINDOW_ROWS // STRIDE
#: Remembered windows before there is a distance.
LEAST_WINDOWS = 4
_CELLS = 2_000_000


def measure_nearest(
    windows: NDArray[np.float32], means: Floats, *, seen: NDArray[np.int64]
) -> tuple[NDArray[np.float32], Floats, Floats]:
    """Distances, as root mean squares over the segments, and the level they were measured around.

    Args:
        windows: [series, REMEMBERED + PENDING, SEGMENTS] kept windows, oldest first; NaN where there is none yet.
        means: [series, time, SEGMENTS]; NaN where the series has too few rows for a window.
        seen: [series] rows before the first of `means`.

    Returns:
        The kept windows after the block; distances and levels, both [series, time], NaN where there is nothing to compare.

    """
    after = np.empty_like(windows)
    distance, level = np.empty(means.shape[:2]), np.empty(means.shape[:2])
    phase = (seen - (WINDOW_ROWS - 1)) % STRIDE
    for lead in np.unique(phase):
        members = np.flatnonzero(phase == lead)
        step = max(1, _CELLS // ((means.shape[1] + STRIDE) * REMEMBERED))
        for first in range(0, members.size, step):
            part = members[first : first + step]
            after[part], distance[part], level[part] = _measure_in_step(windows[part], means[part], lead=int(lead))
    return after, distance, level


def _measure_in_step(
    windows: NDArray[np.float32], means: Floats, *, lead: int
) -> tuple[NDArray[np.float32], Floats, Floats]:
    # Series whose next row has the same place in its stride: whole strides can be compared at once.
    series, time, _ = means.shape
    strides = -(-(lead + time) // STRIDE)
    padded = np.full((series, strides * STRIDE, SEGMENTS), np.nan)
    padded[:, lead : lead + time] = means
    rows = padded.reshape(series, strides, STRIDE, SEGMENTS)
    is_begun = int(lead > 0)
    kept = np.concatenate([windows, rows[:, is_begun:, 0].astype(np.float32)], axis=1)
    nearest, level = np.empty((series, strides, STRIDE)), np.empty((series, strides))
    step = max(1, _CELLS // (series * STRIDE * REMEMBERED))
    for first in range(0, strides, step):
        last = min(first + step, strides)
        begin = first + 1 - is_begun
        own = kept[:, begin + windows.shape[1] - 1 : last - is_begun + windows.shape[1]].astype(float)
        level[:, first:last] = own.mean(axis=2)
        earlier = sliding_window_view(kept[:, begin : last - is_begun + REMEMBERED], REMEMBERED, axis=1)
        nearest[:, first:last] = _compare(rows[:, first:last], earlier, around=level[:, first:last])
    flat = nearest.reshape(series, -1)[:, lead : lead + time]
    return kept[:, -windows.shape[1] :], flat, np.repeat(level, STRIDE, axis=1)[:, lead : lead + time]


def _compare(rows: Floats, earlier: NDArray[np.float32], *, around: Floats) -> Floats:
    query = rows - around[:, :, None, None]
    others = earlier - around[:, :, None, None]  # [series, strides, segments, remembered]
    cross = query @ others
    squares = np.square(others).sum(axis=2)[:, :, None, :] - 2.0 * cross
    squares = np.where(np.isnan(squares), np.inf, squares)
    nearest = np.sqrt(np.maximum(squares.min(axis=3) + np.square(query).sum(axis=3), 0.0) / SEGMENTS)
    is_enough = (~np.isnan(others[:, :, 0, :])).sum(axis=2) >= LEAST_WINDOWS
    return np.where(np.isfinite(nearest) & is_enough[:, :, None], nearest, np.nan)
