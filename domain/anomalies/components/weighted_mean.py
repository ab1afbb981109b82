"""Exponentially weighted mean with bias correction, over the time axis, continued from block to block."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from domain.anomalies.components.block import Floats, shift


def advance_weighted_mean(
    total: Floats, values: Floats, *, seen: NDArray[np.int64], span: float
) -> tuple[Floats, Floats, Floats]:
    """Means before and after each row.

    Formula: alpha = 2 / (span + 1); T_t = (1 - alpha) T_{t-1} + alpha x_t; mean_t = T_t / (1 - (1 - alpha)^t). Before
    the first row the mean is the first value itself.

    Args:
        total: [series] T of the last row seen; zeros at the start.
        values: [series, time].
        seen: [series] rows before this block.
        span: rows over which the memory reaches, as in pandas.

    Returns:
        T after the block [series], means before each row and means including it, both [series, time].

    """
    from scipy.signal import lfilter  # 1.3 s of imports, paid by those who score

    alpha = 2.0 / (span + 1.0)
    totals, _ = lfilter([alpha], [1.0, alpha - 1.0], values, axis=1, zi=(1 - alpha) * total[:, None])
    numbers = seen[:, None] + np.arange(1, values.shape[1] + 1)
    after = totals / (1 - (1 - alpha) ** numbers)
    weight_before = np.where(seen > 0, 1 - (1 - alpha) ** np.maximum(seen, 1), 1.0)
    first = np.where(seen > 0, total / weight_before, values[:, 0])
    return totals[:, -1], shift(first, after), after
