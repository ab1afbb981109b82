"""Holidays: out of the history, into the forecast."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from domain.forecasts import forecast_series
from domain.forecasts.holidays import add_holidays, smooth_holidays
from domain.signals import POINTS_SCHEMA

START = datetime(2031, 3, 3, tzinfo=UTC)
DAYS = {date(2031, 3, 13), date(2031, 3, 25), date(2031, 4, 1)}


def hourly(days: int = 28) -> pl.DataFrame:
    step = np.arange(days * 24)
    at = [START + timedelta(hours=int(hour)) for hour in step]
    is_holiday = np.array([instant.date() in DAYS for instant in at])
    values = (
        100 + 20 * np.sin(2 * np.pi * step / 24) + np.random.default_rng(0).normal(0, 1, step.size) - 60 * is_holiday
    )
    return pl.DataFrame({"series_id": [1] * step.size, "captured_at": at, "metric_value": values}, schema=POINTS_SCHEMA)


@pytest.mark.requirement("C3")
def test_a_holiday_to_come_is_forecast_like_those_of_the_past():
    points = hourly()
    calm, effects = smooth_holidays(points, DAYS)
    ordinary = forecast_series(calm, horizon=48).forecasts
    forecast = add_holidays(ordinary, effects, DAYS)
    monday, tuesday = forecast["forecast"][:24].mean(), forecast["forecast"][24:].mean()
    assert monday == pytest.approx(100, abs=3)
    assert tuesday == pytest.approx(100 - 60 * 2 / 3, abs=3), "two holidays seen count by two thirds"
    assert (forecast["lower"] <= forecast["forecast"]).all()
    assert (forecast["forecast"] <= forecast["upper"]).all()
    assert forecast["forecast"][:24].equals(ordinary["forecast"][:24])


def test_holidays_of_the_past_leave_the_season_as_it_is():
    calm, _ = smooth_holidays(hourly(), DAYS)
    on_holidays = calm.filter(pl.col("captured_at").dt.date().is_in(list(DAYS)))
    assert on_holidays["metric_value"].mean() == pytest.approx(100, abs=1)
    assert calm.drop("metric_value").equals(hourly().drop("metric_value"))


def test_without_a_holiday_in_the_history_nothing_changes():
    points, days = hourly(), {date(2031, 12, 25)}
    calm, effects = smooth_holidays(points, days)
    assert calm.equals(points)
    assert effects.is_empty()
    forecasts = forecast_series(points, horizon=24).forecasts
    assert add_holidays(forecasts, effects, days).equals(forecasts)


def test_no_points_give_no_effects():
    calm, effects = smooth_holidays(pl.DataFrame(schema=POINTS_SCHEMA), DAYS)
    assert calm.is_empty()
    assert effects.is_empty()
