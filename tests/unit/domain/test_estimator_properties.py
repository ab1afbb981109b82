"""Laws that every estimator over series keeps: baselines, anomalies against them, the causal score, control charts.

A new estimator joins by one line in ESTIMATORS: a function from points to a frame with one row per judged thing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from domain.anomalies.against_baseline import detect_against_baselines
from domain.anomalies.causal import score_series
from domain.baselines.time_of_week import compute_baselines
from domain.control_charts.all_charts import compute_control_charts
from domain.signals import POINTS_SCHEMA

START = datetime(2026, 3, 2, tzinfo=UTC)
SPLIT = START + timedelta(days=2)
END = START + timedelta(days=3)


def _baselines(points: pl.DataFrame) -> pl.DataFrame:
    return compute_baselines(points, as_of=END)


def _against(points: pl.DataFrame) -> pl.DataFrame:
    baselines = compute_baselines(points, as_of=SPLIT)
    return detect_against_baselines(points.filter(pl.col("captured_at") >= SPLIT), baselines)


def _charts(points: pl.DataFrame) -> pl.DataFrame:
    baselines = compute_baselines(points, as_of=SPLIT)
    return compute_control_charts(points.filter(pl.col("captured_at") >= SPLIT), baselines)


def _causal(points: pl.DataFrame) -> pl.DataFrame:
    return score_series(points).filter(pl.col("metric_value").is_not_nan())


ESTIMATORS: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "baselines": _baselines,
    "against_baseline": _against,
    "causal": _causal,
    "control_charts": _charts,
}
#: Columns in the unit of the metric, and those in its spread only; all others carry no unit.
IN_UNITS = {"metric_value", "expected", "lower", "upper", "mean", "median"}
IN_SPREADS = {"std", "mad", "spread", "robust_spread", "slope_per_day", "slope_std"}
UNITLESS_LIMITS = {"control_charts"}

every_estimator = pytest.mark.parametrize("estimate", ESTIMATORS.values(), ids=ESTIMATORS.keys())
few = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
seeds = st.integers(0, 2**32 - 1)


def points_of(values: np.ndarray, *, series_id: int = 1) -> pl.DataFrame:
    at = [START + timedelta(minutes=15 * i) for i in range(len(values))]
    data = {"series_id": [series_id] * len(values), "captured_at": at, "metric_value": values}
    return pl.DataFrame(data, schema=POINTS_SCHEMA)


def values_of(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    hours = np.arange(288) / 4
    kind = rng.integers(4)
    base = [rng.normal(0, 1, 288), rng.standard_t(3, 288), rng.exponential(1, 288), np.cumsum(rng.normal(0, 1, 288))][
        kind
    ]
    return np.round(20 + 5 * np.sin(2 * np.pi * hours / 24) + base, 6)


def compare(ours: pl.DataFrame, theirs: pl.DataFrame) -> None:
    assert_frame_equal(ours, theirs, check_exact=False, rel_tol=1e-5, abs_tol=1e-6)


def transformed(frame: pl.DataFrame, name: str, *, scale: float, offset: float) -> pl.DataFrame:
    if name in UNITLESS_LIMITS:
        return frame
    moved = [pl.col(c) * scale + offset for c in frame.columns if c in IN_UNITS]
    return frame.with_columns(*moved, *[pl.col(c) * scale for c in frame.columns if c in IN_SPREADS])


@pytest.mark.parametrize("name", ESTIMATORS)
@few
@given(seed=seeds, exponent=st.sampled_from([-10, -3, 4, 20]))
def test_the_unit_of_the_metric_does_not_matter(name, seed, exponent):
    values, scale = values_of(seed), 2.0**exponent
    ours = ESTIMATORS[name](points_of(values * scale))
    back = transformed(ours, name, scale=1 / scale, offset=0.0)
    compare(back, ESTIMATORS[name](points_of(values)))


@pytest.mark.parametrize("name", ESTIMATORS)
@few
@given(seed=seeds, offset=st.sampled_from([-64.0, 1024.0]))
def test_the_zero_of_the_metric_does_not_matter(name, seed, offset):
    values = values_of(seed)
    ours = ESTIMATORS[name](points_of(values + offset))
    compare(transformed(ours, name, scale=1.0, offset=-offset), ESTIMATORS[name](points_of(values)))


@every_estimator
@few
@given(seed=seeds)
def test_the_same_points_give_the_same_answer(estimate, seed):
    points = points_of(values_of(seed))
    assert estimate(points).equals(estimate(points.clone()))


@every_estimator
@few
@given(seed=seeds)
def test_the_order_of_rows_does_not_matter(estimate, seed):
    points = pl.concat([points_of(values_of(seed + i), series_id=i * 7 - 3) for i in range(3)])
    assert estimate(points.sample(fraction=1.0, shuffle=True, seed=1)).equals(estimate(points))


@every_estimator
@few
@given(seed=seeds)
def test_a_series_does_not_depend_on_its_neighbours(estimate, seed):
    own, other = points_of(values_of(seed), series_id=1), points_of(values_of(seed + 1)[:150] * 1e6, series_id=2)
    together = estimate(pl.concat([other, own])).filter(pl.col("series_id") == 1)
    assert together.equals(estimate(own))


@every_estimator
@few
@given(seed=seeds, holes=st.sets(st.integers(0, 287), max_size=80))
def test_a_missing_value_is_the_same_as_a_missing_row(estimate, seed, holes):
    points = points_of(values_of(seed))
    is_hole = pl.Series([i in holes for i in range(points.height)])
    empty = points.with_columns(metric_value=pl.when(is_hole).then(float("nan")).otherwise("metric_value"))
    assert estimate(empty).equals(estimate(points.filter(~is_hole)))


@every_estimator
@pytest.mark.parametrize("level", [0.0, 0.1, -3.0, 1e12])
def test_a_constant_gives_numbers_and_no_anomaly(estimate, level):
    answer = estimate(points_of(np.full(288, level)))
    assert answer.height > 0
    assert answer.select(pl.col(pl.Float64).fill_null(0.0).is_finite().all()).row(0) == (True,) * len(
        answer.select(pl.col(pl.Float64)).columns
    )
    for verdict in {"is_anomaly", "is_out_of_control"} & set(answer.columns):
        assert not answer[verdict].any()


@every_estimator
def test_no_points_give_no_rows_of_the_same_columns(estimate):
    empty = estimate(pl.DataFrame(schema=POINTS_SCHEMA))
    full = estimate(points_of(values_of(0)))
    assert empty.height == 0
    assert dict(empty.schema) == dict(full.schema)


@every_estimator
@few
@given(seed=seeds)
def test_scores_stay_between_zero_and_one(estimate, seed):
    values = values_of(seed)
    values[200:203] *= 1e9
    answer = estimate(points_of(values))
    if "score" in answer.columns:
        assert answer["score"].is_between(0, 1).all()
