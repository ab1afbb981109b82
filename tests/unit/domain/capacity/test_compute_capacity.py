from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from domain.capacity import CapacityAdvice, CapacityResult, compute_capacity
from domain.capacity.levels import fold_levels
from domain.errors import ConfigurationError
from domain.signals import POINTS_SCHEMA

START = datetime(2031, 3, 3, tzinfo=UTC)
DAY_S = 86_400.0
DAYS = np.arange(30.0)


def gauge(values: object, *, series_id: int = 1, step_s: float = DAY_S) -> pl.DataFrame:
    numbers = np.asarray(values, dtype=float)
    at = [START + timedelta(seconds=index * step_s) for index in range(len(numbers))]
    return pl.DataFrame({"series_id": series_id, "captured_at": at, "metric_value": numbers}, schema=POINTS_SCHEMA)


def noise(length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, length)


def only(result: CapacityResult) -> dict[str, object]:
    assert result.refused.height == 0
    return result.dates.row(0, named=True)


def day_of(instant: object) -> float:
    assert isinstance(instant, datetime)
    return (instant - START).total_seconds() / DAY_S


@pytest.mark.requirement("C6")
def test_a_straight_line_is_dated_to_the_day() -> None:
    answer = only(compute_capacity(gauge(50 + DAYS), 90.0))
    assert day_of(answer["reaches_at"]) == 40
    assert answer["growth_per_day"] == pytest.approx(1.0)
    assert answer["probability"] == 1.0
    assert answer["computed_at"] == START + timedelta(days=29)


@pytest.mark.requirement("C6")
def test_noise_widens_the_interval_around_the_date() -> None:
    answer = only(compute_capacity(gauge(60 + 0.8 * DAYS + 2 * noise(30)), 100.0))
    assert day_of(answer["lower"]) < day_of(answer["reaches_at"]) < day_of(answer["upper"])
    assert 40 < day_of(answer["reaches_at"]) < 60


@pytest.mark.parametrize("growth", [0.0, -0.5, 0.05])
def test_what_is_not_reached_within_the_horizon_has_no_date(growth: float) -> None:
    answer = only(compute_capacity(gauge(70 + growth * DAYS + 0.1 * noise(30)), 90.0, horizon_days=30))
    assert answer["reaches_at"] is None
    assert answer["probability"] == 0.0


def test_the_horizon_decides_what_is_reached() -> None:
    points = gauge(50 + DAYS)
    assert only(compute_capacity(points, 90.0, horizon_days=10))["reaches_at"] is None
    assert only(compute_capacity(points, 90.0, horizon_days=12))["reaches_at"] is not None


def test_a_gauge_that_hovers_below_the_limit_does_not_reach_it() -> None:
    answer = only(compute_capacity(gauge(75 + 3 * noise(30)), 90.0))
    assert answer["reaches_at"] is None


def test_a_gauge_above_its_limit_has_reached_it_now() -> None:
    answer = only(compute_capacity(gauge(62 + DAYS), 90.0))
    assert answer["reaches_at"] == answer["lower"] == answer["upper"] == START + timedelta(days=29)
    assert answer["recommendation"] == CapacityAdvice.ALREADY_REACHED


@pytest.mark.requirement("C6")
def test_log_rotation_is_no_growth() -> None:
    answer = only(compute_capacity(gauge(40 + 5 * (DAYS % 7)), 90.0))
    assert answer["reaches_at"] is None


def test_growing_peaks_of_a_sawtooth_are_dated() -> None:
    answer = only(compute_capacity(gauge(30 + 5 * (DAYS % 7) + 0.8 * DAYS), 90.0))
    assert 30 < day_of(answer["reaches_at"]) < 50


@pytest.mark.requirement("C6")
def test_scale_up_comes_with_an_amount_and_a_lead_time() -> None:
    limits = pl.DataFrame({"series_id": [1], "limit_value": [90.0], "lead_time_days": [5.0]})
    answer = only(compute_capacity(gauge(50 + DAYS), limits))
    assert answer["recommendation"] == CapacityAdvice.SCALE_UP
    assert day_of(answer["recommend_at"]) == 35
    assert 1.2 < float(str(answer["capacity_factor"])) < 2.5


@pytest.mark.requirement("C6")
def test_what_is_over_provisioned_may_shrink() -> None:
    answer = only(compute_capacity(gauge(10 + 0.5 * noise(30)), 90.0))
    assert answer["recommendation"] == CapacityAdvice.RIGHT_SIZE
    assert 0.1 < float(str(answer["capacity_factor"])) < 0.5


def test_the_daily_peak_meets_the_limit_not_the_daily_mean() -> None:
    step = np.arange(30 * 24)
    answer = only(compute_capacity(gauge(50 + step / 24 + 10 * np.sin(2 * np.pi * step / 24), step_s=3600), 100.0))
    assert 39 <= day_of(answer["reaches_at"]) <= 42
    assert answer["growth_per_day"] == pytest.approx(1.0, abs=0.05)


def test_a_disk_that_fills_in_hours_is_dated_in_hours() -> None:
    answer = only(compute_capacity(gauge(50 + 0.1 * np.arange(120), step_s=60), 70.0))
    assert day_of(answer["reaches_at"]) * 24 * 60 == pytest.approx(200, abs=5)


def test_too_little_history_and_no_limit_are_refused_with_a_reason() -> None:
    points = pl.concat([gauge([1.0, 2.0, 3.0]), gauge(DAYS, series_id=2), gauge(np.full(9, np.nan), series_id=3)])
    result = compute_capacity(points, pl.DataFrame({"series_id": [1, 3], "limit_value": [5.0, 5.0]}))
    assert result.dates.height == 0
    reasons = dict(result.refused.iter_rows())
    assert reasons[1] == "not enough history: 3 steps, at least 10 are needed"
    assert reasons[2] == "no limit is known for this series"
    assert reasons[3] == "no value at all"


def test_no_points_give_empty_frames() -> None:
    result = compute_capacity(pl.DataFrame(schema=POINTS_SCHEMA), 90.0)
    assert result.dates.height == result.refused.height == 0


def test_an_answer_does_not_depend_on_its_neighbours() -> None:
    mine = gauge(60 + 0.8 * DAYS + 2 * noise(30))
    others = pl.concat([gauge(50 + DAYS * rate + noise(30, 5), series_id=100 + rate) for rate in range(5)])
    alone = compute_capacity(mine, 90.0).dates
    among = compute_capacity(pl.concat([others, mine]).sample(fraction=1.0, shuffle=True, seed=1), 90.0).dates
    assert among.filter(pl.col("series_id") == 1).drop("computed_at").equals(alone.drop("computed_at"))


def test_the_interval_holds_about_what_it_says() -> None:
    rng = np.random.default_rng(11)
    steps = rng.normal(0.8, 1.5, (300, 120))
    paths = 50 + np.cumsum(steps, axis=1)
    points = pl.concat([gauge(row[:60], series_id=index) for index, row in enumerate(paths)])
    limits = pl.DataFrame({"series_id": range(300), "limit_value": paths[:, 59] + 20})
    dates = compute_capacity(points, limits, horizon_days=60).dates.sort("series_id")
    above = paths[:, 60:] >= paths[:, 59:60] + 20
    truth = np.where(above.any(axis=1), above.argmax(axis=1) + 60.0, np.inf)
    lower = np.array([day_of(value) if value else np.inf for value in dates["lower"]])
    upper = np.array([day_of(value) if value else np.inf for value in dates["upper"]])
    assert 0.7 < ((truth >= lower) & (truth <= upper)).mean() < 0.93


@pytest.mark.parametrize("wrong", [{"horizon_days": 0}, {"horizon_days": float("nan")}, {"level": 0.0}])
def test_wrong_wishes_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError):
        compute_capacity(gauge(DAYS), 90.0, **wrong)  # type: ignore[arg-type]


def test_ids_as_far_apart_as_64_bits_allow_in_any_order() -> None:
    far = 9_000_000_000_000_000_000
    levels = fold_levels(pl.concat([gauge(DAYS + 50, series_id=far), gauge(DAYS + 10, series_id=-far)]))
    assert levels.series_id.tolist() == [-far, far]
    assert levels.current.tolist() == [39.0, 79.0]
    assert levels.values[:, -1].tolist() == [39.0, 79.0]
