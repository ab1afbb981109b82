"""The last value, repeated: the model that always has an answer, and the yardstick of the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from domain.forecasts.panel import Panel
from domain.seasonality.regular_grid import Floats


@dataclass(frozen=True, slots=True)
class Naive:
    """forecast(h) = y(T)."""

    name: str = "naive"

    def forecast(self, panel: Panel, horizon: int) -> Floats:
        """See ForecastModel; never NaN."""
        return np.repeat(panel.values[:, -1:], horizon, axis=1)
