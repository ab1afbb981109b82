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


def baseline(*, mean=100.0, std=2.0, median=100.0, mad=0.0, points=1000, level="overall", computed_at=END):
    row = (1, level, 0, points, mean, std, median, mad, computed_at)
    return pl.DataFrame([row], schema=BASELINE_SCHEMA, orient="row")


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
    scores = [judge(100.0 + 2.0 * z, baseline(points=1_000_000))["score"] for z in (0, 1, 2, 3, 5, 50)]
    assert scores == sorted(scores)
    assert scores[0] == 0.0
    assert scores[3] == pytest.approx(0.5, abs=0.001)
    assert scores[-1] <= 1.0


def test_the_same_surprise_scores_the_same_in_every_unit_and_less_with_less_history():
    one = judge(106.0, baseline())["score"]
    other = judge(106e6, baseline(mean=100e6, std=2e6, median=100e6))["score"]
    assert other == pytest.approx(one)
    assert judge(106.0, baseline(points=10))["score"] < one


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


def test_a_constant_hour_leaves_the_answer_to_a_level_that_knows_a_spread():
    values = np.random.default_rng(2).normal(100, 5, 2016)
    values[:12] = 100.0
    found = judge(103.0, compute_baselines(points_of(values), as_of=END))
    assert found["level"] == "time_of_day"
    assert not found["is_anomaly"]


def test_the_finest_level_with_enough_points_answers():
    values = np.where(np.arange(2016) < 12, 10.0, 50.0) + np.random.default_rng(3).normal(0, 1, 2016)
    history = compute_baselines(points_of(values), as_of=END)
    assert judge(10.0, history)["level"] == "time_of_week"
    assert not judge(10.0, history)["is_anomaly"]
    assert judge(50.0, history)["is_anomaly"]
    assert judge(50.0, history, at=END + timedelta(hours=1))["level"] == "time_of_week"


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
