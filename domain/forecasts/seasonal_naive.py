"""The last season, repeated. Reference: Hyndman & Athanasopoulos, Forecasting: Principles and Practice, ch. 5.2."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from domain.forecasts.panel import Panel
from domain.seasonality.regular_grid import Floats


@dataclass(frozen=True, slots=True)
class SeasonalNaive:
    """forecast(h) = y(T + h - p k), the newest value of equal phase.

    Args:
        which: 0 for the shortest period of the panel, -1 for the longest.
    """

    name: str = "seasonal_naive"
    which: int = 0

    def forecast(self, panel: Panel, horizon: int) -> Floats:
        """See ForecastModel; NaN without a season or with less than one cycle."""
        period = panel.periods[self.which] if panel.periods else 0
        if period == 0 or panel.values.shape[1] < period:
            return np.full((len(panel.values), horizon), np.nan)
        columns = panel.values.shape[1] - period + np.arange(horizon) % period
        answer = panel.values[:, columns]
        answer[panel.lengths < period] = np.nan
        return answer
