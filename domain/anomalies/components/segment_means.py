"""A window of rows as the means of its segments: what is left of its shape without the noise."""

from __future__ import annotations

from numpy.lib.stride_tricks import sliding_window_view

from domain.anomalies.components.block import Floats

SEGMENT_ROWS = 12


def compute_segment_means(values: Floats, *, segments: int) -> Floats:
    """[series, windows, segments] means of the segments of every window that ends in `values` [series, rows], newest last.

    The sum of a segment is always taken in the same order, so that it does not depend on where a block begins. Source:
    piecewise aggregate approximation (Keogh et al. 2001).
    """
    count = values.shape[1] - SEGMENT_ROWS + 1
    total = values[:, :count].copy()
    for offset in range(1, SEGMENT_ROWS):
        total += values[:, offset : offset + count]
    spread = sliding_window_view(total / SEGMENT_ROWS, (segments - 1) * SEGMENT_ROWS + 1, axis=1)
    return spread[:, :, ::SEGMENT_ROWS]
