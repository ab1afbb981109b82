"""What the baseline of a series says, and of which points it is made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from domain.baselines.exclusions import EXCLUDED_SCHEMA
from domain.baselines.levels import BASELINE_SCHEMA
from domain.baselines.time_of_week import compute_baselines
from domain.signals import POINTS_SCHEMA

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
END = MONDAY + timedelta(days=7)


def points_of(values, *, series_id=1, start=MONDAY, step_s=300):
    times = [start + timedelta(seconds=step_s * i) for i in range(len(values))]
    data = {"series_id": [series_id] * len(values), "captured_at": times, "metric_value": list(map(float, values))}
    return pl.DataFrame(data, schema=POINTS_SCHEMA)


def week(seed=0, series_id=1):
    rng = np.random.default_rng(seed)
    return points_of(rng.normal(50, 3, 2016), series_id=series_id)


def row(baselines, level, bucket=0, series_id=1):
    wanted = (pl.col("level") == level) & (pl.col("bucket") == bucket) & (pl.col("series_id") == series_id)
    found = baselines.filter(wanted)
    assert found.height <= 1
    return found.row(0, named=True) if found.height else None


@pytest.mark.requirement("C1")
def test_every_hour_of_the_week_has_the_mean_and_the_robust_form_of_its_own_points():
    points = week()
    baselines = compute_baselines(points, as_of=END)
    assert dict(baselines.schema) == BASELINE_SCHEMA
    assert baselines.group_by("level").len().sort("len")["len"].to_list() == [1, 48, 168]
    values = points["metric_value"].to_numpy()
    for level, bucket, chosen in [
        ("time_of_week", 0, values[:12]),
        ("time_of_week", 167, values[-12:]),
        ("time_of_week", 24 + 5, values[29 * 12 : 30 * 12]),
        ("time_of_day", 5, values.reshape(7, 24, 12)[:5, 5].ravel()),
        ("time_of_day", 24 + 5, values.reshape(7, 24, 12)[5:, 5].ravel()),
        ("overall", 0, values),
    ]:
        found = row(baselines, level, bucket)
        median = np.median(chosen)
        assert found["points"] == chosen.size
        assert found["mean"] == pytest.approx(chosen.mean())
        assert found["std"] == pytest.approx(chosen.std(ddof=1))
        assert found["median"] == pytest.approx(median)
        assert found["mad"] == pytest.approx(np.median(np.abs(chosen - median)))
        assert found["computed_at"] == END


def test_only_the_window_before_as_of_counts():
    old = points_of([1000.0] * 500, start=MONDAY - timedelta(days=3))
    new = points_of([1000.0] * 500, start=END)
    baselines = compute_baselines(pl.concat([old, week(), new]), as_of=END)
    assert baselines.equals(compute_baselines(week(), as_of=END))


def test_a_longer_window_reaches_further_back():
    both = pl.concat([points_of([10.0] * 2016, start=MONDAY - timedelta(days=7)), points_of([20.0] * 2016)])
    assert row(compute_baselines(both, as_of=END), "overall")["mean"] == 20.0
    assert row(compute_baselines(both, as_of=END, window_days=14), "overall")["mean"] == 15.0


def test_an_incident_of_one_series_leaves_only_that_history():
    points = pl.concat([week(0, 1), week(1, 2)])
    period = (1, MONDAY + timedelta(hours=2), MONDAY + timedelta(hours=3, minutes=-1))
    excluded = pl.DataFrame([period], schema=EXCLUDED_SCHEMA, orient="row")
    baselines = compute_baselines(points, as_of=END, excluded=excluded)
    assert row(baselines, "time_of_week", 2, 1) is None
    assert row(baselines, "time_of_week", 2, 2)["points"] == 12
    assert row(baselines, "overall", 0, 1)["points"] == 2016 - 12


def test_an_incident_without_a_series_leaves_every_history_even_when_periods_nest_or_last():
    points = pl.concat([week(0, 1), week(1, 2)])
    hours = timedelta(hours=1)
    rows = [
        (None, MONDAY, MONDAY + 10 * hours),
        (None, MONDAY + 2 * hours, MONDAY + 3 * hours),
        (2, END - hours, None),
    ]
    excluded = pl.DataFrame(rows, schema=EXCLUDED_SCHEMA, orient="row")
    baselines = compute_baselines(points, as_of=END, excluded=excluded)
    assert row(baselines, "time_of_week", 9, 1) is None
    assert row(baselines, "time_of_week", 167, 2) is None
    assert row(baselines, "time_of_week", 167, 1)["points"] == 12
    assert row(baselines, "overall", 0, 2)["points"] == 2016 - 121 - 12


@pytest.mark.requirement("C1")
def test_the_spread_of_an_hour_knows_that_its_days_differ():
    rng = np.random.default_rng(1)
    levels = np.repeat(rng.normal(0, 4, (400, 7 * 24)), 12, axis=1)
    values = 50 + levels + rng.normal(0, 1, (400, 2016))
    points = pl.concat([points_of(row, series_id=i) for i, row in enumerate(values)])
    baselines = compute_baselines(points, as_of=END)
    hours = baselines.filter(pl.col("level") == "time_of_week")
    assert hours["std"].mean() == pytest.approx(1, rel=0.05)
    # the next value: its own noise, its own level, and the level of the one occurrence that is known
    assert (hours["spread"] ** 2).mean() == pytest.approx(1 + 2 * (16 + 1 / 12), rel=0.05)
    of_day = baselines.filter((pl.col("level") == "time_of_day") & (pl.col("bucket") < 24))
    assert (of_day["spread"] ** 2).mean() == pytest.approx((1 + 16) + (16 + 1 / 12) / 5, rel=0.07)
    assert (hours["robust_spread"] ** 2).median() == pytest.approx(1 + 2 * (16 + 1 / 12), rel=0.2)


@pytest.mark.requirement("C1")
def test_one_bad_day_does_not_widen_the_robust_spread():
    values = np.random.default_rng(2).normal(50, 3, (7, 288))
    usual = row(compute_baselines(points_of(values.ravel()), as_of=END), "time_of_week", 3)
    values[1, 30:60] += 500
    found = row(compute_baselines(points_of(values.ravel()), as_of=END), "time_of_week", 3)
    assert found["robust_spread"] < 2 * usual["robust_spread"]
    assert found["spread"] > 20 * usual["spread"]


@pytest.mark.requirement("C1")
def test_a_clear_trend_is_known_with_its_uncertainty_and_a_weekly_season_is_none():
    days = np.arange(2016) / 288
    noise = np.random.default_rng(3).normal(0, 1, 2016)
    growing = row(compute_baselines(points_of(200 + 3 * days + noise), as_of=END), "overall")
    assert growing["slope_per_day"] == pytest.approx(3, abs=0.1)
    assert 0 < growing["slope_std"] < 0.1
    assert growing["age_days"] == pytest.approx(3.5)
    week_end = np.where(days >= 5, -60.0, 0.0)
    for as_of in (END, END - timedelta(hours=30)):
        weekly = row(compute_baselines(points_of(200 + week_end + noise), as_of=as_of), "overall")
        assert weekly["slope_per_day"] == pytest.approx(0, abs=0.5)


def test_a_window_that_ends_within_a_day_sees_the_same_trend():
    values = 200 + 3 * np.arange(14 * 288) / 288 + np.random.default_rng(4).normal(0, 1, 14 * 288)
    for hours in (0, 5, 83):
        found = row(compute_baselines(points_of(values), as_of=END + timedelta(hours=hours)), "time_of_week", 5)
        assert found["slope_per_day"] == pytest.approx(3, abs=0.1)
        at = END + timedelta(days=7, hours=5.5) if hours > 5 else END + timedelta(hours=5.5)
        ahead = (at - (END + timedelta(hours=hours))) / timedelta(days=1) + found["age_days"]
        truth = 200 + 3 * ((at - MONDAY) / timedelta(days=1))
        assert found["mean"] + found["slope_per_day"] * ahead == pytest.approx(truth, abs=2)


def test_one_day_says_nothing_of_the_next():
    levels = compute_baselines(points_of(range(288)), as_of=MONDAY + timedelta(days=1))["level"].unique().to_list()
    assert levels == ["overall"]


def test_too_few_points_leave_the_answer_to_a_coarser_level():
    quarter_hours = points_of(range(7 * 96), step_s=900)
    levels = compute_baselines(quarter_hours, as_of=END)["level"].unique().sort().to_list()
    assert levels == ["time_of_day", "overall"]
    assert compute_baselines(points_of(range(19), step_s=3600), as_of=END).height == 0


def test_missing_and_infinite_values_are_left_out():
    holes = [float("nan"), float("inf"), None] * 10
    data = {"series_id": [1] * 30, "captured_at": [MONDAY] * 30, "metric_value": holes}
    points = pl.concat([week(), pl.DataFrame(data, schema=POINTS_SCHEMA)])
    assert compute_baselines(points, as_of=END).equals(compute_baselines(week(), as_of=END))


def test_the_order_of_rows_does_not_matter():
    points = pl.concat([week(0, 7), week(1, -3), week(2, 5)])
    shuffled = points.sample(fraction=1.0, shuffle=True, seed=1)
    assert compute_baselines(shuffled, as_of=END).equals(compute_baselines(points, as_of=END))


def test_nothing_in_nothing_out():
    empty = pl.DataFrame(schema=POINTS_SCHEMA)
    assert dict(compute_baselines(empty, as_of=END).schema) == BASELINE_SCHEMA
    assert compute_baselines(week(), as_of=MONDAY - timedelta(days=1)).height == 0


def test_a_naive_instant_is_refused():
    with pytest.raises(ValueError, match="aware"):
        compute_baselines(week(), as_of=datetime(2026, 3, 9))  # noqa: DTZ001
