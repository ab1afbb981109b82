"""CUSUM chart: the sum of deviations beyond an allowance, on both sides. The fastest to find a lasting shift of a sigma."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from domain.control_charts.chart import Chart

#: In control, independent normal residuals, two-sided: one false alarm in 465 points (Hawkins and Olwell 1998, k = 0.5).
ALLOWANCE = 0.5
LIMIT = 5.0


def compute_cusum(z: NDArray[np.float64], *, allowance: float = ALLOWANCE, limit: float = LIMIT) -> Chart:
    """Sums H_t = max(0, H_{t-1} + z_t - allowance) and L_t = max(0, L_{t-1} - z_t - allowance); the larger, signed.

    The statistic is H where H >= L and -L elsewhere, out of control beyond ± limit. The sums go on after an alarm and
    return when the series does. Reference: Page 1954; Hawkins and Olwell 1998.

    Args:
        z: residuals [series, time] in sigma; a NaN leaves the sums where they were.
        allowance: half the shift, in sigma, that is to be found.
        limit: in sigma.

    """
    statistic = np.empty_like(z)
    high, low = np.zeros(z.shape[0]), np.zeros(z.shape[0])
    steps = np.nan_to_num(z, nan=0.0)
    slack = np.where(np.isnan(z), 0.0, allowance)
    for t in range(z.shape[1]):
        high = np.maximum(0.0, high + steps[:, t] - slack[:, t])
        low = np.maximum(0.0, low - steps[:, t] - slack[:, t])
        statistic[:, t] = np.where(high >= low, high, -low)
    return Chart("cusum", statistic=statistic, limit=np.full(z.shape, limit))
