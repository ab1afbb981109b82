"""Shewhart chart: each score on its own. Finds large sudden shifts, forgets at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from domain.control_charts.chart import Chart

#: In control: one false alarm in 370.4 points (Shewhart 1931; Montgomery, chapter 6).
LIMIT = 3.0


def compute_shewhart(scores: NDArray[np.float64], *, limit: float = LIMIT) -> Chart:
    """Statistic z_t, out of control beyond ± limit.

    Args:
        scores: [series, time] in sigma, NaN where there is none.
        limit: in sigma; 3 has an in-control run length of 370.4, 3.0902 one of 500.

    """
    return Chart("shewhart", statistic=scores, limit=np.full(scores.shape, limit))
