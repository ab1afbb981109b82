"""ETS, ARIMA, Theta and MSTL through statsforecast, imported only when used (it costs seconds). Slow: opt-in.

Reference: Hyndman & Khandakar, Automatic time series forecasting, JSS 27(3), 2008; Assimakopoulos & Nikolopoulos, 2000.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from domain.forecasts.panel import Panel
from domain.seasonality.regular_grid import Floats

#: Values that enter a fit; a seasonal state of more steps than MAX_SEASON is beyond ETS and ARIMA.
MAX_HISTORY = 500
MAX_SEASON = 24
#: Rows (series × origins) fitted in one call; the rest get no answer from this model.
MAX_ROWS = 600


@dataclass(frozen=True, slots=True)
class StatsForecastModel:
    """One automatic model of statsforecast.

    Args:
        name: which one.
    """

    name: Literal["ets", "arima", "theta", "mstl"]

    def forecast(self, panel: Panel, horizon: int) -> Floats:
        """See ForecastModel; NaN beyond MAX_ROWS, below two cycles, and where the fit fails."""
        answer = np.full((len(panel.values), horizon), np.nan)
        period = panel.periods[0] if panel.periods and panel.periods[0] <= MAX_SEASON else 1
        lengths = panel.lengths
        rows = np.flatnonzero(lengths >= max(2 * period, 8))[:MAX_ROWS]
        for row in rows:
            history = panel.values[row, -min(int(lengths[row]), MAX_HISTORY) :]
            answer[row] = self._fit_one(history, period, panel.periods, horizon)
        return answer

    def _fit_one(self, history: Floats, period: int, periods: tuple[int, ...], horizon: int) -> Floats:
        import warnings

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                mean = self._build(period, periods).forecast(y=history, h=horizon)["mean"]
        except (ValueError, ArithmeticError, IndexError, np.linalg.LinAlgError):
            return np.full(horizon, np.nan)
        found = np.asarray(mean, dtype=float)
        return found if np.isfinite(found).all() else np.full(horizon, np.nan)

    def _build(self, period: int, periods: tuple[int, ...]) -> Any:
        from statsforecast import models

        if self.name == "ets":
            return models.AutoETS(season_length=period)
        if self.name == "arima":
            return models.AutoARIMA(
                season_length=period, approximation=True, max_p=3, max_q=3, max_P=1, max_Q=1, nmodels=20
            )
        if self.name == "theta":
            return models.AutoTheta(season_length=period)
        return models.MSTL(season_length=list(periods) or [1], trend_forecaster=models.AutoETS(model="ZZN"))
