"""Control charts: how rarely they cry wolf, how soon they see drift, and what the drift asset gets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from domain.baselines.time_of_week import compute_baselines
from domain.control_charts.all_charts import compute_control_charts
from domain.control_charts.chart import CHART_SCHEMA
from domain.control_charts.cusum import compute_cusum
from domain.control_charts.ewma import compute_ewma
from domain.control_charts.shewhart import compute_shewhart
from domain.signals import POINTS_SCHEMA
from tests.benchmarks.noise_kinds import make_noise
from tests.benchmarks.run_lengths import STATED, TOLERANCE, chart_through_baselines

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
END = MONDAY + timedelta(days=7)
CHARTS = [(compute_shewhart, 370.4), (compute_ewma, 485.0), (compute_cusum, 465.0)]


def run_lengths(compute, z):
    chart = compute(z)
    is_out = np.abs(chart.statistic) > chart.limit
    return np.where(is_out.any(axis=1), is_out.argmax(axis=1) + 1, z.shape[1])


def points_of(values, *, series_id=1, start=MONDAY):
    times = [start + timedelta(minutes=5 * i) for i in range(len(values))]
    data = {"series_id": [series_id] * len(values), "captured_at": times, "metric_value": list(values)}
    return pl.DataFrame(data, schema=POINTS_SCHEMA)


@pytest.mark.requirement("C2")
@pytest.mark.parametrize(("compute", "stated"), CHARTS)
def test_the_run_length_in_control_is_the_stated_one(compute, stated):
    z = np.random.default_rng(0).normal(size=(1500, 4000))
    assert run_lengths(compute, z).mean() == pytest.approx(stated, rel=0.1)


@pytest.mark.requirement("C2")
@pytest.mark.parametrize("side", [1, -1])
def test_a_lasting_shift_of_one_sigma_is_seen_by_the_charts_that_remember(side):
    z = np.random.default_rng(1).normal(size=(500, 400)) + side
    assert run_lengths(compute_cusum, z).mean() < 12
    assert run_lengths(compute_ewma, z).mean() < 12
    assert run_lengths(compute_shewhart, z).mean() > 35


def test_a_single_wild_point_is_seen_at_once_by_the_chart_without_memory():
    z = np.zeros((1, 10))
    z[0, 5] = 4.0
    assert run_lengths(compute_shewhart, z)[0] == 6


def test_cusum_tells_the_side_of_the_drift():
    z = np.array([[2.0] * 5, [-2.0] * 5])
    assert compute_cusum(z).statistic[:, -1].tolist() == [7.5, -7.5]


@pytest.mark.parametrize("compute", [compute_ewma, compute_cusum])
def test_a_gap_neither_adds_to_nor_resets_the_memory(compute):
    with_gap = compute(np.array([[1.0, np.nan, np.nan, 1.0]])).statistic
    assert with_gap[0, 3] == compute(np.array([[1.0, 1.0]])).statistic[0, 1]


@pytest.mark.requirement("C2")
def test_drift_of_one_series_is_found_among_many_and_the_rest_stays_quiet():
    rng = np.random.default_rng(2)
    history = [points_of(rng.normal(50, 5, 2016), series_id=i) for i in range(20)]
    baselines = compute_baselines(pl.concat(history), as_of=END)
    later = [points_of(rng.normal(50, 5, 144) + (5 if i == 7 else 0), series_id=i, start=END) for i in range(20)]
    charts = compute_control_charts(pl.concat(later), baselines)
    assert dict(charts.schema) == CHART_SCHEMA
    assert charts.height == 3 * 20 * 144
    share = charts.filter(pl.col("chart") == "cusum").group_by("series_id").agg(pl.col("is_out_of_control").mean())
    drifting = share.filter(pl.col("series_id") == 7)["is_out_of_control"][0]
    assert drifting > 0.8
    assert share.filter(pl.col("series_id") != 7)["is_out_of_control"].mean() < 0.1


@pytest.mark.requirement("C2")
@pytest.mark.parametrize("noise", ["AR(1) 0.7", "levels of each hour"])
def test_on_baselines_too_the_shewhart_chart_keeps_its_run_length(noise):
    # baselines err by hours and days differ: what residuals share is learnt from the reference
    series, hours = 150, 28 * 24
    level = np.repeat(np.random.default_rng(5).normal(0, 3, (series, hours)), 12, axis=1)
    values = make_noise("normal" if "levels" in noise else noise, level.shape, seed=5) + level * ("levels" in noise)
    lengths = chart_through_baselines(values)
    assert lengths["shewhart"].mean() == pytest.approx(STATED["shewhart"], rel=TOLERANCE)


@pytest.mark.requirement("C2")
@pytest.mark.parametrize("kind", ["AR(1) 0.7", "exponential", "lognormal 1"])
def test_on_baselines_of_a_season_all_charts_stay_near_their_run_length_skewed_noise_too(kind):
    """60 series tell a mean run length to 13 %; the benchmark, with 200, finds -20 to +28 %."""
    season = 3 * np.sin(2 * np.pi * np.arange(288 * 24) / 288)
    lengths = chart_through_baselines(make_noise(kind, (60, season.size), seed=4) + season)
    for name, stated in STATED.items():
        assert lengths[name].mean() == pytest.approx(stated, rel=0.45), name


def test_steady_growth_is_no_drift_and_its_end_is():
    rng = np.random.default_rng(6)
    values = 100 + 2 * np.arange(8 * 288) / 288 + rng.normal(0, 1, 8 * 288)
    baselines = compute_baselines(points_of(values), as_of=END)
    cusum = pl.col("chart") == "cusum"
    growing = compute_control_charts(points_of(values[2016:], start=END), baselines).filter(cusum)
    assert growing["is_out_of_control"].mean() < 0.1
    stopped = values[2016:] - 7
    assert (
        compute_control_charts(points_of(stopped, start=END), baselines).filter(cusum)["is_out_of_control"].mean() > 0.8
    )


def test_series_of_different_length_do_not_mix():
    rng = np.random.default_rng(3)
    history = pl.concat([points_of(rng.normal(50, 5, 2016), series_id=i) for i in (1, 2)])
    baselines = compute_baselines(history, as_of=END)
    short, long = points_of([51.0] * 3, series_id=1, start=END), points_of([49.0] * 7, series_id=2, start=END)
    both = compute_control_charts(pl.concat([long, short]), baselines)
    alone = compute_control_charts(short, baselines)
    assert both.filter(pl.col("series_id") == 1).equals(alone)
    assert both.filter(pl.col("series_id") == 2).height == 21


def test_a_constant_that_moves_is_out_of_control_and_one_that_stays_is_not():
    baselines = compute_baselines(points_of([3.0] * 2016), as_of=END)
    shewhart = pl.col("chart") == "shewhart"
    assert not compute_control_charts(points_of([3.0], start=END), baselines)["is_out_of_control"].any()
    moved = compute_control_charts(points_of([3.1], start=END), baselines).filter(shewhart)
    assert moved["is_out_of_control"].all()


def test_without_a_baseline_there_is_no_chart():
    nothing = compute_baselines(points_of([]), as_of=END)
    charts = compute_control_charts(points_of([1.0], start=END), nothing)
    assert charts.height == 0
    assert dict(charts.schema) == CHART_SCHEMA
