"""Forecasts of many series at once: one file per model, chosen or blended per series by a rolling backtest.

Reads points and the seasonal periods of `domain.seasonality`; what reaches a limit when is `domain.capacity`.
"""

from domain.forecasts.forecasting import ForecastResult, forecast_series
from domain.forecasts.registry import DEFAULT_MODELS, MODEL_FAMILIES
from domain.forecasts.tables import FORECASTS_SCHEMA, SCORES_SCHEMA

__all__ = [
    "DEFAULT_MODELS",
    "FORECASTS_SCHEMA",
    "MODEL_FAMILIES",
    "SCORES_SCHEMA",
    "ForecastResult",
    "forecast_series",
]
