"""How fast a gauge grows: the median of all slopes between two bins, so that a single jump does not decide.

Reference: Theil–Sen estimator; Sen, JASA 63(324), 1968.
"""

from __future__ import annotations

import numpy as np

from domain.seasonality.regular_grid import Floats

WINDOW_BINS = 30


def compute_slope(values: Floats) -> Floats:
    """(n,) median pairwise slope per bin over the newest WINDOW_BINS bins of (n, L) values; NaN are left out."""
    recent = values[:, -WINDOW_BINS:]
    if recent.size == 0:
        return np.zeros(len(values))
    first, second = np.triu_indices(recent.shape[1], k=1)
    slopes = (recent[:, second] - recent[:, first]) / (second - first)
    if not np.isnan(slopes).any():
        return np.asarray(np.median(slopes, axis=1))
    ordered = np.sort(slopes, axis=1)
    count = (~np.isnan(slopes)).sum(axis=1)
    low = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0)[:, None], axis=1)[:, 0]
    high = np.take_along_axis(ordered, np.minimum(count // 2, np.maximum(count - 1, 0))[:, None], axis=1)[:, 0]
    return np.asarray((low + high) / 2)
