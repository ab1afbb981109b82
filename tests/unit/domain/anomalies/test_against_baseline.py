"""Which points are called anomalous against stored baselines, and by whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from domain.anomalies.against_baseline import ANOMALY_SCHEMA, detect_against_baselines
from domain.baselines.levels import BASELINE_SCHEMA
from domain.baselines.time_of_week import compute_baselines
from domain.signals import POINTS_SCHEMA

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
END = MONDAY + timedelta(days=7)


def points_of(values, *, series_id=1, start=MONDAY, step_s=300):
    times = [start + timedelta(seconds=step_s * i) for i in range(len(values))]
    data = {"series_id": [series_id] * len(values), "captured_at": times, "metric_value": list(values)}
    return pl.DataFrame(data, schema=POINTS_SCHEMA)


def baseline(**changes):
    row = {
        "series_id": 1,
        "level": "overall",
        "bucket": 0,
        "points": 1000,
        "mean": 100.0,
        "std": 2.0,
        "median": 100.0,
        "mad": 0.0,
        "spread": 2.0,
        "robust_spread": 0.0,
        "degrees": 1000.0,
        "slope_per_day": 0.0,
        "slope_std": 0.0,
        "age_days": 3.5,
        "computed_at": END,
        **changes,
    }
    return pl.DataFrame([row], schema=BASELINE_SCHEMA)


def judge(value, baselines, *, at=END, sigma=3.0):
    return detect_against_baselines(points_of([value], start=at), baselines, sigma=sigma).row(0, named=True)


@pytest.mark.requirement("C1")
@pytest.mark.parametrize(("value", "is_anomaly"), [(105.9, False), (106.1, True), (94.1, False), (93.9, True)])
def test_more_than_three_sigma_on_either_side_is_an_anomaly(value, is_anomaly):
    found = judge(value, baseline())
    assert found["is_anomaly"] is is_anomaly
    assert (found["expected"], found["lower"], found["upper"]) == (100.0, 94.0, 106.0)
    assert (found["detector"], found["level"]) == ("baseline_sigma", "overall")


def test_the_width_of_the_band_can_be_asked_for():
    assert judge(104.1, baseline(), sigma=2.0)["is_anomaly"]


def test_the_score_is_a_half_at_three_sigma_and_grows_with_the_deviation():
    scores = [judge(100.0 + 2.0 * z, baseline(degrees=1e6))["score"] for z in (0, 1, 2, 3, 5, 50)]
    assert scores == sorted(scores)
    assert scores[0] == 0.0
    assert scores[3] == pytest.approx(0.5, abs=0.001)
    assert scores[-1] <= 1.0


def test_the_same_surprise_scores_the_same_in_every_unit_and_less_with_less_history():
    one = judge(106.0, baseline())["score"]
    other = judge(106e6, baseline(mean=100e6, spread=2e6, median=100e6))["score"]
    assert other == pytest.approx(one)
    assert judge(106.0, baseline(degrees=9.0))["score"] < one


@pytest.mark.requirement("C1")
def test_the_robust_form_sees_what_outliers_in_the_history_hide():
    values = np.random.default_rng(0).normal(100, 1, 2016)
    values[::50] = 1000.0
    history = compute_baselines(points_of(values), as_of=END)
    overall = history.filter(pl.col("level") == "overall")
    assert overall["std"][0] > 100
    found = judge(130.0, overall)
    assert found["is_anomaly"]
    assert found["detector"] == "baseline_robust"
    assert found["lower"] < 100 < found["upper"] < 110


def test_normal_noise_is_rarely_called_anomalous():
    values = np.random.default_rng(1).normal(100, 5, 2016 * 2)
    points = points_of(values)
    history = compute_baselines(points, as_of=END)
    judged = detect_against_baselines(points.filter(pl.col("captured_at") >= END), history)
    assert judged.height == 2016
    assert judged["is_anomaly"].mean() < 0.025


def test_a_constant_that_stays_is_normal_and_one_that_moves_is_not():
    for level in (0.0, 0.1, 7e9):
        history = compute_baselines(points_of([level] * 2016), as_of=END)
        stays, moves = judge(level, history), judge(level * 1.001 + 0.001, history)
        assert (stays["is_anomaly"], stays["score"]) == (False, 0.0)
        assert moves["is_anomaly"]
        assert moves["score"] > 0.9
        assert moves["detector"] == "baseline_constant"


def test_an_hour_that_was_constant_is_judged_by_the_spread_that_other_hours_know():
    values = np.random.default_rng(2).normal(100, 5, (7, 24, 12))
    values[0, 0] = 100.0
    history = compute_baselines(points_of(values.ravel()), as_of=END)
    assert not judge(103.0, history)["is_anomaly"]
    assert judge(130.0, history)["is_anomaly"]


def test_a_constant_level_leaves_the_answer_to_one_that_knows_a_spread():
    constant = baseline(level="time_of_week", std=0.0, spread=0.0, points=12)
    found = judge(103.0, pl.concat([constant, baseline()]))
    assert (found["level"], found["is_anomaly"]) == ("overall", False)


def test_the_finest_level_with_enough_points_answers():
    rng = np.random.default_rng(3)
    values = np.where(np.arange(2016) % 288 < 12, 10.0, 50.0) + rng.normal(0, 1, 2016)
    history = compute_baselines(points_of(values), as_of=END)
    assert judge(10.0, history)["level"] == "time_of_week"
    assert not judge(10.0, history)["is_anomaly"]
    assert judge(50.0, history)["is_anomaly"]
    of_day = history.filter(pl.col("level") != "time_of_week")
    assert judge(50.0, of_day)["level"] == "time_of_day"
    assert judge(50.0, of_day)["is_anomaly"]


def days_apart(seed, *, days=28, day_std=3.0, weekend=0.0, growth=0.0):
    """Days that differ from each other by more than the values within an hour do."""
    rng = np.random.default_rng(seed)
    smooth = np.interp(np.arange(days * 288), np.arange(days * 8 + 1) * 36, rng.normal(0, day_std, days * 8 + 1))
    day = np.arange(days * 288) // 288
    season = 10 * np.sin(2 * np.pi * np.arange(days * 288) / 288)
    is_weekend = day % 7 >= 5
    return (
        100
        + season
        + smooth
        + rng.normal(0, 1, days * 288)
        + weekend * is_weekend
        + growth * np.arange(days * 288) / 288
    )


def judge_last_weeks(values):
    """Everything after the first week, against one set per midnight."""
    points = points_of(values)
    midnights = [END + timedelta(days=k) for k in range(len(values) // 288 - 7)]
    history = pl.concat([compute_baselines(points, as_of=at) for at in midnights])
    return detect_against_baselines(points.filter(pl.col("captured_at") >= END), history)


@pytest.mark.requirement("C1")
@pytest.mark.parametrize("weekend", [0.0, -20.0])
def test_days_that_differ_are_as_rarely_anomalous_as_noise_is(weekend):
    shares = [judge_last_weeks(days_apart(seed, weekend=weekend))["is_anomaly"].mean() for seed in range(4)]
    assert np.mean(shares) < 0.015


@pytest.mark.requirement("C1")
@pytest.mark.parametrize("growth", [0.5, 5.0, -2.0])
def test_a_series_that_grows_is_judged_by_where_it_has_grown_to(growth):
    values = 500 + np.random.default_rng(5).normal(0, 0.3, 28 * 288) + growth * np.arange(28 * 288) / 288
    judged = judge_last_weeks(values)
    assert judged["is_anomaly"].mean() < 0.015
    assert (judged["expected"] - (500 + growth * (7 + np.arange(judged.height) / 288))).abs().max() < abs(growth) + 1
    points = points_of(values)
    stops = judge(values[2015] - 7 * growth, compute_baselines(points, as_of=END))
    assert stops["is_anomaly"], "last week's level is no longer normal"


def test_a_jump_of_many_spreads_is_seen_in_every_week():
    values = days_apart(6)
    values[-288 * 3 : -288 * 3 + 6] += 40
    judged = judge_last_weeks(values)
    assert judged["is_anomaly"][-288 * 3 : -288 * 3 + 6].all()


def test_a_point_is_never_judged_by_a_baseline_computed_after_it():
    found = judge(500.0, baseline(), at=END - timedelta(seconds=1))
    assert found["detector"] == "not_enough_history"
    assert (found["is_anomaly"], found["score"], found["expected"], found["level"]) == (False, 0.0, None, None)
    assert judge(500.0, baseline(), at=END)["is_anomaly"]


def test_history_is_judged_by_the_newest_baseline_of_its_time():
    baselines = pl.concat([baseline(), baseline(mean=200.0, median=200.0, computed_at=END + timedelta(days=1))])
    points = points_of([200.0, 200.0], start=END, step_s=86_400)
    assert detect_against_baselines(points, baselines)["is_anomaly"].to_list() == [True, False]


def test_a_baseline_that_is_weeks_old_no_longer_speaks():
    assert judge(100.0, baseline(), at=END + timedelta(days=15))["detector"] == "not_enough_history"


def test_missing_values_are_not_judged_and_nothing_in_is_nothing_out():
    judged = detect_against_baselines(points_of([None, float("nan"), float("inf")], start=END), baseline())
    assert judged.height == 0
    assert dict(judged.schema) == ANOMALY_SCHEMA


def test_levels_may_come_back_from_storage_as_text():
    stored = baseline().with_columns(pl.col("level").cast(pl.String))
    assert judge(110.0, stored)["is_anomaly"]
