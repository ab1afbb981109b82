from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.seasonality import build_regular_grid, compute_peak_periods, find_seasonality
from domain.signals import POINTS_SCHEMA

START = datetime(2031, 3, 3, tzinfo=UTC)  # a Monday
HOUR_S = 3600.0


def series(values: object, *, series_id: int = 1, step_s: float = HOUR_S) -> pl.DataFrame:
    numbers = np.asarray(values, dtype=float)
    at = [START + timedelta(seconds=index * step_s) for index in range(len(numbers))]
    return pl.DataFrame({"series_id": series_id, "captured_at": at, "metric_value": numbers}, schema=POINTS_SCHEMA)


def noise(length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, length)


def wave(length: int, period: float, height: float = 3.0) -> np.ndarray:
    return height * np.sin(2 * np.pi * np.arange(length) / period)


def periods(points: pl.DataFrame) -> list[int]:
    return find_seasonality(points)["period_steps"].to_list()


@pytest.mark.requirement("C4")
def test_a_daily_season_is_found_in_hourly_values() -> None:
    found = find_seasonality(series(wave(600, 24) + noise(600)))
    assert found["period_steps"].to_list() == [24]
    assert found["period_s"].to_list() == [86_400.0]
    assert 0.5 < found["strength"].item() <= 1


@pytest.mark.requirement("C4")
def test_two_seasons_are_found_at_once() -> None:
    hours = np.arange(24 * 7 * 6)
    weekend = np.where((hours // 24) % 7 >= 5, -6.0, 0.0)
    found = find_seasonality(series(wave(len(hours), 24, 5) + weekend + 0.5 * noise(len(hours))))
    assert sorted(found["period_steps"].to_list()) == [24, 168]
    assert found["rank"].to_list() == [1, 2]


@pytest.mark.parametrize("period", [7, 13, 37, 90])
def test_a_period_the_calendar_does_not_know_is_found(period: int) -> None:
    shape = np.random.default_rng(period).normal(0, 3, period)
    values = np.tile(shape, 12) + 0.5 * noise(12 * period)
    found = periods(series(values, step_s=11.0))
    assert found
    assert found[0] == period


@pytest.mark.parametrize(
    "values",
    [noise(500), np.cumsum(noise(500, 3)), np.full(500, 4.2), 0.3 * np.arange(500.0), np.arange(500.0) ** 2],
    ids=["noise", "walk", "constant", "line", "parabola"],
)
def test_no_season_is_an_answer(values: np.ndarray) -> None:
    assert 24 not in periods(series(values))
    assert 168 not in periods(series(values))


def test_fewer_than_three_cycles_are_not_enough() -> None:
    assert 24 not in periods(series(wave(60, 24)))


def test_a_trend_and_gaps_do_not_hide_a_season() -> None:
    points = series(wave(600, 24) + 0.05 * np.arange(600) + 0.5 * noise(600)).sample(fraction=0.7, seed=4)
    assert periods(points) == [24]


def test_series_do_not_disturb_each_other() -> None:
    both = pl.concat([series(wave(600, 24) + noise(600)), series(noise(600, 9), series_id=2)])
    assert find_seasonality(both)["series_id"].to_list() == [1]


def test_nothing_gives_an_empty_answer() -> None:
    assert find_seasonality(pl.DataFrame(schema=POINTS_SCHEMA)).height == 0
    assert compute_peak_periods(pl.DataFrame(schema=POINTS_SCHEMA)).height == 0


@given(st.floats(1e-3, 1e6), st.floats(-1e6, 1e6))
def test_scale_and_shift_do_not_matter(scale: float, shift: float) -> None:
    values = wave(300, 24) + 0.3 * noise(300)
    assert periods(series(scale * values + shift)) == [24]


@pytest.mark.requirement("C4")
def test_the_peak_hour_of_day_and_week_is_found() -> None:
    hours = np.arange(24 * 7 * 4)
    values = np.where(hours % 24 == 14, 10.0, 1.0) + np.where(hours % 168 == 24 * 4 + 9, 30.0, 0.0)
    found = compute_peak_periods(series(values)).sort("cycle")
    assert found["cycle"].to_list() == ["day", "week"]
    assert found["hour"].to_list() == [14, 9]
    assert found["weekday"].to_list() == [None, 5]
    assert found["peak_ratio"].min() > 1  # type: ignore[operator]


def test_jittered_times_fall_on_the_usual_step() -> None:
    jitter = np.random.default_rng(1).uniform(-20, 20, 400)
    at = [START + timedelta(seconds=300 * index + float(jitter[index])) for index in range(400)]
    points = pl.DataFrame({"series_id": 1, "captured_at": at, "metric_value": 1.0}, schema=POINTS_SCHEMA)
    grid = build_regular_grid(points)
    assert grid.step_s.tolist() == [300.0]
    assert abs(int(grid.lengths[0]) - 400) <= 1


def test_gaps_are_interpolated_and_marked() -> None:
    points = series([0.0, 1, 2, np.nan, np.inf, 5, 6, 7, 8])
    grid = build_regular_grid(points)
    assert grid.values[0].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert grid.observed[0].tolist() == [True] * 3 + [False] * 2 + [True] * 4


def test_series_without_a_step_are_refused_with_a_reason() -> None:
    lonely = series([1.0, 2.0], series_id=1)
    empty = series([np.nan] * 5, series_id=2)
    burst = pl.concat(
        [
            series(np.ones(20), series_id=3, step_s=1),
            series([1.0], series_id=3).with_columns(
                captured_at=pl.lit(START + timedelta(hours=1)).cast(POINTS_SCHEMA["captured_at"])
            ),
        ]
    )
    refused = build_regular_grid(pl.concat([lonely, empty, burst])).refused
    assert refused["series_id"].to_list() == [1, 2, 3]
    assert [
        word in reason
        for word, reason in zip(["at least 3", "no value", "no regular step"], refused["reason"], strict=True)
    ] == [True] * 3
