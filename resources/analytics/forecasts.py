"""Seasons, peaks and forecasts from the hourly rollup of the last month (C3, C4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl
from threadpoolctl import threadpool_limits

from domain.forecasts import DEFAULT_MODELS, ForecastResult, forecast_series
from domain.seasonality.peak_periods import compute_peak_periods
from domain.seasonality.periods import find_seasonality
from resources.analytics.replacing import replace_all
from resources.lake.connection import Lake

HISTORY_DAYS = 30
HORIZON_HOURS = 48
SLOW_MODEL_SERIES = 3
_KEPT_FORECAST_DAYS = 14


def read_hourly_points(lake: Lake, *, now: datetime) -> pl.DataFrame:
    """Hourly means of the last month, whole hours only, as points."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    return lake.query(
        "SELECT series_id, hour_at AS captured_at, mean AS metric_value FROM signals_hourly WHERE hour_at >= ? AND hour_at < ?",
        [hour - timedelta(days=HISTORY_DAYS), hour],
    )


@dataclass(frozen=True, slots=True)
class SeasonalityResult:
    """Periods and peaks as stored."""

    periods: pl.DataFrame
    peaks: pl.DataFrame


def refresh_seasonality(lake: Lake, *, now: datetime) -> SeasonalityResult:
    """Find the seasons and peak hours of all series anew."""
    points = read_hourly_points(lake, now=now)
    periods = find_seasonality(points, step_s=3600.0).with_columns(computed_at=pl.lit(now))
    peaks = compute_peak_periods(points).with_columns(computed_at=pl.lit(now))
    replace_all(lake, "seasonality", periods)
    replace_all(lake, "peak_periods", peaks)
    return SeasonalityResult(periods, peaks)


def refresh_forecasts(lake: Lake, *, now: datetime, slow_series: int = SLOW_MODEL_SERIES) -> ForecastResult:
    """Forecast every series two days ahead; error and interval stay beside the forecast.

    ETS, ARIMA and Prophet need seconds per series: they compete on `slow_series` of the series with a limit; all others have
    the fast models.
    """
    points = read_hourly_points(lake, now=now)
    with threadpool_limits(1):  # BLAS threads spin on the small matrices of these models
        tried = _try_slow_models(lake, points, forecast_series(points, horizon=HORIZON_HOURS), most=slow_series)
    stamp = pl.lit(now).alias("computed_at")
    forecasts, scores = tried.forecasts.with_columns(stamp), tried.scores.with_columns(stamp)

    def work(inner: Lake) -> None:
        inner.execute("DELETE FROM forecasts WHERE computed_at < ?", [now - timedelta(days=_KEPT_FORECAST_DAYS)])
        inner.execute("DELETE FROM forecast_scores WHERE computed_at < ?", [now - timedelta(days=_KEPT_FORECAST_DAYS)])
        inner.execute("DELETE FROM forecast_refusals")
        inner.insert("forecasts", forecasts)
        inner.insert("forecast_scores", scores)
        inner.insert("forecast_refusals", tried.refused.with_columns(stamp))

    lake.write("forecasts", work)
    return ForecastResult(forecasts, scores, tried.refused)


def _try_slow_models(lake: Lake, points: pl.DataFrame, fast: ForecastResult, *, most: int) -> ForecastResult:
    wanted = lake.query("SELECT series_id FROM series WHERE limit_value IS NOT NULL ORDER BY series_id LIMIT ?", [most])
    forecast_ids = fast.forecasts["series_id"].unique()
    ids = wanted["series_id"].filter(wanted["series_id"].is_in(forecast_ids.implode()))
    if ids.is_empty():
        return fast
    slow = forecast_series(
        points.filter(pl.col("series_id").is_in(ids.implode())),
        horizon=HORIZON_HOURS,
        models=[*DEFAULT_MODELS, "ets", "arima", "prophet"],
    )
    others = ~pl.col("series_id").is_in(slow.forecasts["series_id"].unique().implode())
    return ForecastResult(
        pl.concat([fast.forecasts.filter(others), slow.forecasts]),
        pl.concat([fast.scores.filter(others), slow.scores]),
        fast.refused,
    )
