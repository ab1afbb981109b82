"""EWMA chart: a weighted memory of recent residuals. Finds small lasting shifts within tens of points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from domain.control_charts.chart import Chart

#: In control, independent normal residuals: one false alarm in 485 points (simulated; 500 with steady limits).
WEIGHT = 0.1
LIMIT = 2.814


def compute_ewma(z: NDArray[np.float64], *, weight: float = WEIGHT, limit: float = LIMIT) -> Chart:
    """Statistic e_t = weight · z_t + (1 - weight) · e_{t-1}, e_0 = 0, against its own standard deviation at step t.

    Limit: ± limit · sqrt(weight / (2 - weight) · (1 - (1 - weight)^(2t))). Reference: Roberts 1959; Lucas and Saccucci
    1990, whose steady limits give a run length of 500; the time-varying ones used here also see a shift at the start.

    Args:
        z: residuals [series, time] in sigma; a NaN leaves the statistic where it was.
        weight: of the newest residual, in (0, 1].
        limit: in standard deviations of the statistic.

    """
    statistic = np.empty_like(z)
    memory = np.zeros(z.shape[0])
    for t in range(z.shape[1]):
        memory = np.where(np.isnan(z[:, t]), memory, memory + weight * (z[:, t] - memory))
        statistic[:, t] = memory
    seen = np.cumsum(~np.isnan(z), axis=1)
    variance = weight / (2 - weight) * (1 - (1 - weight) ** (2 * np.maximum(seen, 1)))
    return Chart("ewma", statistic=statistic, limit=limit * np.sqrt(variance))
