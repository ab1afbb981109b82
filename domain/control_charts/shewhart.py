"""Shewhart chart: each residual on its own. Finds large sudden shifts, forgets at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from domain.control_charts.chart import Chart

#: In control, independent normal residuals: one false alarm in 370.4 points (Shewhart 1931; Montgomery, chapter 6).
LIMIT = 3.0


def compute_shewhart(z: NDArray[np.float64], *, limit: float = LIMIT) -> Chart:
    """Statistic z_t, out of control beyond ± limit.

    Args:
        z: residuals [series, time] in sigma, NaN where there is none.
        limit: in sigma; 3 has an in-control run length of 370.4, 3.0902 one of 500.

    """
    return Chart("shewhart", statistic=z, limit=np.full(z.shape, limit))
