"""EWMA chart: a weighted memory of recent scores. Finds small lasting shifts within tens of points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from domain.control_charts.chart import Chart

Floats = NDArray[np.float64]

#: In control: one false alarm in 485 points (simulated; 500 with steady limits).
WEIGHT = 0.1
LIMIT = 2.814


def compute_ewma(scores: Floats, sway: Floats | float = 1.0, *, weight: float = WEIGHT, limit: float = LIMIT) -> Chart:
    """Statistic e_t = weight · z_t + (1 - weight) · e_{t-1}, e_0 = 0, against its own standard deviation at step t.

    Limit: ± limit · sway · sqrt(weight / (2 - weight) · (1 - (1 - weight)^(2t))). Reference: Roberts 1959; Lucas and Saccucci
    1990, whose steady limits give a run length of 500; the time-varying ones used here also see a shift at the start.

    Args:
        scores: [series, time] in sigma; a NaN leaves the statistic where it was.
        sway: (S,) by how much the statistic is wider than that of independent scores.
        weight: of the newest score, in (0, 1].
        limit: in standard deviations of the statistic.

    """
    wider = np.broadcast_to(sway, scores.shape[:1])
    by_time = scores.T.copy()
    statistic = np.empty_like(by_time)
    memory = np.zeros(scores.shape[0])
    for t, score in enumerate(by_time):
        memory = np.where(np.isnan(score), memory, memory + weight * (score - memory))
        statistic[t] = memory
    seen = np.cumsum(~np.isnan(scores), axis=1)
    variance = weight / (2 - weight) * (1 - (1 - weight) ** (2 * np.maximum(seen, 1)))
    return Chart("ewma", statistic=statistic.T, limit=limit * wider[:, None] * np.sqrt(variance))
