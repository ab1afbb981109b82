"""Prophet, imported only when used. About four fits a second: opt-in, and for a capped number of series.

Reference: Taylor & Letham, Forecasting at scale, The American Statistician 72(1), 2018.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from domain.forecasts.panel import Panel
from domain.seasonality.regular_grid import Floats

#: Rows (series × origins) fitted in one call; the rest get no answer from this model.
MAX_ROWS = 120
MAX_HISTORY = 1000


@dataclass(frozen=True, slots=True)
class ProphetModel:
    """Piecewise linear trend plus Fourier seasons of the panel's periods. Deterministic (maximum a posteriori)."""

    name: str = "prophet"

    def forecast(self, panel: Panel, horizon: int) -> Floats:
        """See ForecastModel; NaN beyond MAX_ROWS, and for rows shorter than 8 values."""
        answer = np.full((len(panel.values), horizon), np.nan)
        lengths = panel.lengths
        for row in np.flatnonzero(lengths >= 8)[:MAX_ROWS]:
            history = panel.values[row, -min(int(lengths[row]), MAX_HISTORY) :]
            answer[row] = _fit_one(history, panel, horizon)
        return answer


def _silence() -> None:
    """cmdstanpy reports every fit, and sets its level anew as long as its logger has no handler."""
    for name in ("cmdstanpy", "prophet"):
        logger = logging.getLogger(name)
        logger.disabled = True
        logger.setLevel(logging.CRITICAL)


def _fit_one(history: Floats, panel: Panel, horizon: int) -> Floats:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pandas as pd
        from prophet import Prophet

        # Only distances matter: the calendar seasons are off, the found ones are added by their length.
        times = pd.Timestamp("2000-01-03") + pd.to_timedelta(np.arange(len(history) + horizon) * panel.step_s, unit="s")
        model = Prophet(
            daily_seasonality=False, weekly_seasonality=False, yearly_seasonality=False, uncertainty_samples=0
        )
        _silence()
        for period in panel.periods:
            days = period * panel.step_s / 86_400
            model.add_seasonality(f"every_{period}", period=days, fourier_order=min(10, max(period // 2 - 1, 1)))
        model.fit(pd.DataFrame({"ds": times[: len(history)], "y": history}), seed=1)
        return np.asarray(model.predict(pd.DataFrame({"ds": times[len(history) :]}))["yhat"], dtype=float)
