"""The causal score carried on from run to run: the same as history at once, whatever arrives in whatever portions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.anomalies.causal import score_series
from domain.anomalies.continuing import continue_scoring, forget_silent, is_of_this_version, start_standing
from domain.signals import POINTS_SCHEMA

START = datetime(2026, 3, 2, tzinfo=UTC)


def ragged(lengths, *, seed=0, gap=0.0):
    """Series of different lengths, each with a spike, some rows missing."""
    rng = np.random.default_rng(seed)
    frames = []
    for series, rows in enumerate(lengths):
        values = rng.normal(50, 2, rows)
        values[rows * 3 // 4 :] += 25 * (series % 2)
        at = [START + timedelta(minutes=5 * i) for i in range(rows)]
        frame = pl.DataFrame(
            {"series_id": [series * 7 - 3] * rows, "captured_at": at, "metric_value": values}, schema=POINTS_SCHEMA
        )
        frames.append(frame.filter(pl.Series(rng.random(rows) >= gap)))
    return pl.concat(frames)


def in_portions(points, borders):
    standing, judged = start_standing(), []
    edges = [START, *borders, START + timedelta(days=365)]
    for low, high in pairwise(edges):
        portion = points.filter(pl.col("captured_at").is_between(low, high, closed="left")).sample(
            fraction=1.0, shuffle=True, seed=1
        )
        done = continue_scoring(standing, portion)
        assert done.late == 0
        standing, judged = done.standing, [*judged, done.judged]
    return standing, pl.concat(judged).sort("series_id", "captured_at")


@settings(max_examples=15, deadline=None)
@given(minutes=st.lists(st.integers(0, 3000), max_size=6), seed=st.integers(0, 3))
def test_any_portions_give_what_the_whole_history_gives(minutes, seed):
    points = ragged([600, 17, 333, 400], seed=seed, gap=0.1)
    borders = sorted(START + timedelta(minutes=minute) for minute in minutes)
    standing, judged = in_portions(points, borders)
    whole = score_series(points)
    assert judged.select("series_id", "captured_at", "is_anomaly").equals(
        whole.select("series_id", "captured_at", "is_anomaly")
    )
    np.testing.assert_allclose(judged["score"].to_numpy(), whole["score"].to_numpy(), rtol=1e-9, atol=1e-12)
    assert standing.series_id.tolist() == points["series_id"].unique().sort().to_list()


@pytest.mark.requirement("C1")
def test_a_new_series_joins_and_the_others_go_on_undisturbed():
    old, late_comer = ragged([500]), ragged([0, 300], seed=5)
    _, judged = in_portions(pl.concat([old, late_comer]), [START + timedelta(days=1)])
    assert judged.filter(pl.col("series_id") == -3)["score"].to_list() == pytest.approx(
        score_series(old)["score"].to_list()
    )


def test_what_comes_late_or_again_is_counted_and_changes_nothing():
    points = ragged([200])
    first = continue_scoring(start_standing(), points.head(150).filter(pl.int_range(150) != 100))
    again = continue_scoring(first.standing, points.slice(90, 60))
    assert (again.judged.height, again.late) == (0, 60)
    onward = continue_scoring(again.standing, points.tail(50))
    without = score_series(points.filter(pl.int_range(200) != 100))
    assert onward.judged["score"].to_list() == pytest.approx(without["score"].tail(50).to_list())


def test_rows_without_a_value_are_left_out_and_nothing_is_nothing():
    holes = ragged([100]).with_columns(metric_value=pl.lit(float("nan")))
    done = continue_scoring(start_standing(), holes)
    assert (done.judged.height, done.late, done.standing.series_id.size) == (0, 0, 0)


def test_a_call_leaves_the_standing_it_was_given_as_it_was():
    points = ragged([300, 300])
    before = continue_scoring(
        start_standing(), points.filter(pl.col("captured_at") < START + timedelta(hours=10))
    ).standing
    rest = points.filter(pl.col("captured_at") >= START + timedelta(hours=10))
    first = continue_scoring(before, rest.filter(pl.col("series_id") == -3)).judged
    assert continue_scoring(before, rest).judged.filter(pl.col("series_id") == -3)["score"].to_list() == pytest.approx(
        first["score"].to_list()
    )


def test_silent_series_are_forgotten_and_the_state_stays_small():
    standing = continue_scoring(start_standing(), ragged([600, 20])).standing
    left = forget_silent(standing, since=START + timedelta(hours=10))
    assert left.series_id.tolist() == [-3]
    assert forget_silent(left, since=START) is left
    assert standing.size_bytes / 2 < 8_000
    assert is_of_this_version(left.state)
    assert not is_of_this_version({**left.state, "seen": left.state["seen"].astype(float)})
