from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import ConfigurationError
from domain.forecasts import ForecastResult, forecast_series
from domain.signals import POINTS_SCHEMA

START = datetime(2031, 3, 3, tzinfo=UTC)
HOUR_S = 3600.0


def series(values: object, *, series_id: int = 1, step_s: float = HOUR_S) -> pl.DataFrame:
    numbers = np.asarray(values, dtype=float)
    at = [START + timedelta(seconds=index * step_s) for index in range(len(numbers))]
    return pl.DataFrame({"series_id": series_id, "captured_at": at, "metric_value": numbers}, schema=POINTS_SCHEMA)


def noise(length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, length)


def daily(length: int, height: float = 10.0) -> np.ndarray:
    return 50 + height * np.sin(2 * np.pi * np.arange(length) / 24)


def centre(result: ForecastResult, series_id: int = 1) -> np.ndarray:
    return result.forecasts.filter(pl.col("series_id") == series_id)["forecast"].to_numpy()


@pytest.mark.requirement("C3")
def test_a_season_is_continued() -> None:
    result = forecast_series(series((daily(528) + 0.5 * noise(528))[:480]), horizon=48)
    assert np.abs(centre(result) - daily(528)[480:]).mean() < 1.0


def test_a_trend_is_continued() -> None:
    result = forecast_series(series(100 + 2.0 * np.arange(200)), horizon=10)
    assert centre(result) == pytest.approx(100 + 2.0 * np.arange(200, 210), rel=0.01)


def test_a_constant_stays_constant_with_no_width() -> None:
    result = forecast_series(series(np.full(100, 7.0)), horizon=5)
    assert result.forecasts["forecast"].to_list() == pytest.approx([7.0] * 5)
    assert (result.forecasts["upper"] - result.forecasts["lower"]).to_list() == pytest.approx([0.0] * 5, abs=1e-6)


@pytest.mark.requirement("C3")
def test_error_and_choice_are_kept_beside_the_forecast() -> None:
    result = forecast_series(series(daily(480) + noise(480)), horizon=24)
    chosen = result.scores.filter("is_chosen")
    assert chosen.height == 1
    assert chosen["model"].item() == result.forecasts["model"].unique().item()
    assert 0 < chosen["mase"].item() < 1.2
    assert chosen["coverage"].is_between(0, 1).all()
    assert chosen["origins"].item() >= 2
    naive = result.scores.filter(pl.col("model") == "naive")["mase"].item()
    assert naive > chosen["mase"].item()


def test_steps_and_instants_follow_the_newest_point() -> None:
    result = forecast_series(series(daily(100)), horizon=3)
    assert result.forecasts["step"].to_list() == [1, 2, 3]
    assert result.forecasts["forecast_at"].to_list() == [START + timedelta(hours=99 + step) for step in (1, 2, 3)]
    assert result.forecasts["computed_at"].unique().to_list() == [START + timedelta(hours=99)]


def test_what_comes_after_as_of_is_not_seen() -> None:
    values = daily(300)
    values[200:] = 1e9
    as_of = START + timedelta(hours=199)
    result = forecast_series(series(values), horizon=12, as_of=as_of)
    assert centre(result).max() < 100
    assert result.forecasts["computed_at"][0] == as_of


@pytest.mark.requirement("C3")
def test_too_little_history_is_said_and_not_guessed() -> None:
    both = pl.concat([series(daily(20)), series(daily(400), series_id=2)])
    result = forecast_series(both, horizon=24)
    assert result.forecasts["series_id"].unique().to_list() == [2]
    assert result.refused["series_id"].to_list() == [1]
    assert "not enough history: 20 steps, at least 36" in result.refused["reason"].item()


def test_no_points_give_empty_frames() -> None:
    result = forecast_series(pl.DataFrame(schema=POINTS_SCHEMA), horizon=3)
    assert result.forecasts.height == result.scores.height == result.refused.height == 0


def test_the_interval_covers_about_what_it_says() -> None:
    rng = np.random.default_rng(7)
    length, horizon, many = 300, 12, 60
    walks = np.cumsum(rng.normal(0, 1, (many, length + horizon)), axis=1)
    noisy = 20 * rng.normal(0, 1, (many, 1)) + rng.normal(0, 1, (many, length + horizon))
    values = np.concatenate([walks, noisy])
    points = pl.concat([series(row[:length], series_id=index) for index, row in enumerate(values)])
    found = forecast_series(points, horizon=horizon, level=0.8).forecasts
    actual = values[:, length:].ravel()
    inside = (actual >= found["lower"].to_numpy()) & (actual <= found["upper"].to_numpy())
    assert 0.72 < inside.mean() < 0.88


def test_a_higher_level_is_wider() -> None:
    points = series(daily(300) + noise(300))
    narrow, wide = (forecast_series(points, horizon=6, level=level).forecasts for level in (0.5, 0.95))
    assert ((wide["upper"] - wide["lower"]) > (narrow["upper"] - narrow["lower"])).all()


def test_counts_do_not_go_below_zero_and_counters_do_not_fall() -> None:
    counts = np.maximum(0.0, np.round(noise(200)))
    counter = np.cumsum(np.abs(noise(200, 1)))
    points = pl.concat([series(counts), series(counter, series_id=2)])
    found = forecast_series(points, horizon=20).forecasts
    assert found["lower"].min() >= 0  # type: ignore[operator]
    rising = found.filter(pl.col("series_id") == 2)
    assert (np.diff(rising["forecast"].to_numpy()) >= 0).all()
    assert rising["lower"].min() >= counter[-1]  # type: ignore[operator]


def test_gaps_duplicates_disorder_and_nan_are_survived() -> None:
    points = series(daily(480) + 0.5 * noise(480))
    messy = pl.concat([points.sample(fraction=0.7, seed=1), points.head(50), points.tail(1)])
    messy = messy.with_columns(
        metric_value=pl.when(pl.int_range(pl.len()) % 17 == 0).then(float("nan")).otherwise("metric_value")
    )
    result = forecast_series(messy.sample(fraction=1.0, shuffle=True, seed=2), horizon=24)
    assert np.abs(centre(result) - daily(504)[480:]).mean() < 2.0


def test_series_with_other_steps_share_a_call() -> None:
    points = pl.concat([series(daily(300)), series(daily(300), series_id=2, step_s=300.0)])
    found = forecast_series(points, horizon=2).forecasts
    gaps = found.group_by("series_id").agg(pl.col("forecast_at").diff().last()).sort("series_id")
    assert gaps["forecast_at"].to_list() == [timedelta(hours=1), timedelta(minutes=5)]


def test_the_same_input_gives_the_same_answer() -> None:
    points = series(daily(300) + noise(300))
    assert forecast_series(points, horizon=6).forecasts.equals(forecast_series(points, horizon=6).forecasts)


@given(scale=st.sampled_from([1e-6, 0.01, 1.0, 1e5]), shift=st.sampled_from([0.0, -500.0, 1e4]))
@settings(max_examples=12, deadline=None)
def test_the_unit_does_not_decide_the_quality(scale: float, shift: float) -> None:
    values = daily(300) + 0.5 * noise(300)
    found = centre(forecast_series(series(scale * values + shift), horizon=24))
    assert np.isfinite(found).all()
    assert np.abs((found - shift) / scale - daily(324)[300:]).mean() < 2.0


@pytest.mark.parametrize(
    "wrong",
    [{"horizon": 0}, {"horizon": 3, "level": 1.0}, {"horizon": 3, "models": ["oracle"]}, {"horizon": 3, "models": []}],
)
def test_wrong_wishes_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        forecast_series(series(daily(100)), **wrong)  # type: ignore[arg-type]


@pytest.mark.requirement("C3")
@pytest.mark.parametrize("family", ["ets", "arima", "theta", "mstl", "prophet"])
def test_slow_models_take_part_when_asked(family: str) -> None:
    result = forecast_series(series(daily(96) + 0.2 * noise(96)), horizon=12, models=[family])
    scored = result.scores.filter(pl.col("model") == family)
    assert scored["weight"].item() > 0.3
    assert np.abs(centre(result) - daily(108)[96:]).mean() < 5.0


def test_a_series_that_has_come_to_rest_does_not_spoil_the_batch() -> None:
    """A tiny recent spread beside an enormous past once made the normal equations of the whole batch singular."""
    numbers = np.random.default_rng(1).normal(1e6, 3e5, 720)
    rested = np.where(np.arange(720) < 320, numbers, 5.0)
    silent = np.where((np.arange(720) % 7 == 0) & (np.arange(720) < 400), 1e9, 0.0)
    at = pl.datetime_range(
        datetime(2026, 1, 1, tzinfo=UTC), interval="1h", end=datetime(2026, 1, 30, 23, tzinfo=UTC), eager=True
    )
    points = pl.concat(
        [
            pl.DataFrame({"series_id": [index] * 720, "captured_at": at, "metric_value": values})
            for index, values in enumerate((rested, silent))
        ]
    )
    result = forecast_series(points, horizon=48)
    means = dict(result.forecasts.group_by("series_id").agg(pl.col("forecast").mean()).rows())
    assert means == {0: pytest.approx(5.0), 1: pytest.approx(0.0)}


@pytest.mark.requirement("C4")
def test_two_seasons_at_once_are_continued() -> None:
    hours = np.arange(24 * 7 * 6 + 168)
    both = daily(hours.size, height=10) + 8 * np.sin(2 * np.pi * hours / 168)
    result = forecast_series(series((both + 0.5 * noise(hours.size))[:-168]), horizon=168)
    assert np.abs(centre(result) - both[-168:]).mean() < 1.5


@pytest.mark.requirement("C4")
@pytest.mark.parametrize("seed", [0, 1])
def test_a_season_that_no_calendar_knows_is_found_and_beats_the_naive_forecast(seed: int) -> None:
    """Steps of 11 seconds, a season of 37 of them with an overtone."""
    steps = np.arange(37 * 21)
    wave = 50 + 10 * np.sin(2 * np.pi * steps / 37) + 5 * np.sin(4 * np.pi * steps / 37 + 1)
    values = wave + 0.5 * noise(steps.size, seed)
    result = forecast_series(series(values[:-37], step_s=11.0), horizon=37)
    naive = np.abs(values[-38] - values[-37:]).mean()
    assert np.abs(centre(result) - values[-37:]).mean() < 0.1 * naive
    assert result.forecasts["forecast_at"].diff().drop_nulls().unique().to_list() == [timedelta(seconds=11)]


def test_one_model_replaces_the_blend_where_it_is_clearly_better() -> None:
    pattern = np.tile(noise(24, 1), 30)
    assert forecast_series(series(pattern), horizon=12).forecasts["model"].unique().to_list() == ["seasonal_naive"]
    noisy = forecast_series(series(daily(480) + noise(480)), horizon=12)
    assert noisy.forecasts["model"].unique().to_list() == ["blend"], "where several are good, they are mixed"
