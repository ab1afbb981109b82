"""CUSUM chart: the sum of deviations beyond an allowance, on both sides. The fastest to find a lasting shift of a sigma."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from domain.control_charts.chart import Chart

Floats = NDArray[np.float64]

#: In control, two-sided: one false alarm in 465 points (Hawkins and Olwell 1998, k = 0.5).
ALLOWANCE = 0.5
LIMIT = 5.0


def compute_cusum(
    scores: Floats, sway: Floats | float = 1.0, *, allowance: float = ALLOWANCE, limit: float = LIMIT
) -> Chart:
    """Sums H_t = max(0, H_{t-1} + z_t - allowance) and L_t = max(0, L_{t-1} - z_t - allowance); the larger, signed.

    The statistic is H where H >= L and -L elsewhere, out of control beyond ± limit. The sums go on after an alarm and
    return when the series does. Reference: Page 1954; Hawkins and Olwell 1998.

    Args:
        scores: [series, time] in sigma; a NaN leaves the sums where they were.
        sway: (S,) by how much sums of scores are wider than those of independent ones; widens allowance and limit.
        allowance: half the shift, in sigma, that is to be found.
        limit: in sigma.

    """
    wider = np.broadcast_to(sway, scores.shape[:1])
    steps = np.nan_to_num(scores, nan=0.0).T.copy()
    slack = np.where(np.isnan(scores), 0.0, (allowance * wider)[:, None]).T.copy()
    statistic = np.empty_like(steps)
    high, low = np.zeros(scores.shape[0]), np.zeros(scores.shape[0])
    for t, (step, free) in enumerate(zip(steps, slack, strict=True)):
        high = np.maximum(0.0, high + step - free)
        low = np.maximum(0.0, low - step - free)
        statistic[t] = np.where(high >= low, high, -low)
    return Chart("cusum", statistic=statistic.T, limit=np.broadcast_to((limit * wider)[:, None], scores.shape))
