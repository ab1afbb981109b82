"""Holidays around a forecast: taken out of the history before, put into the forecast after. For any model.

A holiday's value is compared with the same time a week before and after; the mean difference per hour of the day, drawn
towards 0 where few holidays were seen, is the effect of the holidays to come.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import polars as pl

_WEEK = pl.duration(days=7)
_HOUR = pl.col("at").dt.hour().alias("hour")


def smooth_holidays(points: pl.DataFrame, days: Collection[date]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The points as if the days had been ordinary, and what they did instead.

    Args:
        points: series_id, captured_at, metric_value; the days are those of UTC.
        days: holidays of the past and of the future.

    Returns:
        The points, holiday values replaced by the mean of the same time a week before and after, where there is one; and
        effects: series_id, hour, effect, spread (of single values around the effect, 0 for one), one row per hour seen.

    """
    is_holiday = pl.col("captured_at").dt.date().is_in(list(days))
    usual = points.filter(~is_holiday).select("series_id", "captured_at", usual="metric_value")
    usual = usual.filter(pl.col("usual").is_finite()).unique(["series_id", "captured_at"], keep="last")
    holidays = points.filter(is_holiday)
    around = [
        holidays.with_columns(captured_at=pl.col("captured_at") + shift, at="captured_at")
        .join(usual, on=["series_id", "captured_at"])
        .drop("captured_at")
        for shift in (-_WEEK, _WEEK)
    ]
    expected = pl.concat(around).group_by("series_id", "at").agg(pl.col("usual").mean(), pl.col("metric_value").first())
    change = pl.col("metric_value") - pl.col("usual")
    effects = (
        expected.filter(change.is_finite())
        .group_by("series_id", _HOUR)
        .agg(effect=change.sum() / (pl.len() + 1), spread=change.std().fill_null(0.0))
        .sort("series_id", "hour")
    )
    filled = points.join(
        expected.select("series_id", captured_at="at", usual="usual"), on=["series_id", "captured_at"], how="left"
    )
    replaced = filled.with_columns(metric_value=pl.coalesce("usual", "metric_value")).drop("usual")
    return replaced, effects


def add_holidays(forecasts: pl.DataFrame, effects: pl.DataFrame, days: Collection[date]) -> pl.DataFrame:
    """FORECASTS_SCHEMA with the effect on the days that are holidays; intervals wider by its spread.

    What is forecast at 0 or above stays there.
    """
    at = pl.col("forecast_at").alias("at")
    joined = forecasts.with_columns(at).with_columns(_HOUR).join(effects, on=["series_id", "hour"], how="left")
    is_holiday = pl.col("at").dt.date().is_in(list(days))
    shift = pl.when(is_holiday).then(pl.col("effect")).fill_null(0.0)
    wider = pl.when(is_holiday).then(pl.col("spread")).fill_null(0.0)
    moved = {
        "forecast": pl.col("forecast") + shift,
        "lower": pl.col("lower") + shift - wider,
        "upper": pl.col("upper") + shift + wider,
    }
    held = {
        name: pl.when(pl.col("lower") >= 0).then(value.clip(lower_bound=0.0)).otherwise(value)
        for name, value in moved.items()
    }
    return joined.sort("series_id", "step").with_columns(**held).select(forecasts.columns)
