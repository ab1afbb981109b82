"""What the causal score promises: no look into the future, one alarm per episode, and quiet on what is usual."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from domain.anomalies.causal import advance_scoring, score_series, start_scoring
from domain.signals import POINTS_SCHEMA

START = datetime(2026, 3, 2, tzinfo=UTC)


def points_of(values, *, series_id=1, step_s=300):
    times = [START + timedelta(seconds=step_s * i) for i in range(len(values))]
    data = {"series_id": [series_id] * len(values), "captured_at": times, "metric_value": list(map(float, values))}
    return pl.DataFrame(data, schema=POINTS_SCHEMA)


def alarms(values, **options):
    return score_series(points_of(values, **options))["is_anomaly"].arg_true().to_list()


def noise(rows=3000, seed=0, level=50.0, spread=2.0):
    return np.random.default_rng(seed).normal(level, spread, rows)


@pytest.mark.parametrize("rows", [1, 19, 21, 250, 2001, 2999])
def test_a_prefix_scores_the_same_as_within_the_whole(rows):
    values = noise() + np.where(np.arange(3000) > 1500, 30, 0)
    whole = score_series(points_of(values)).head(rows)
    prefix = score_series(points_of(values[:rows]))
    assert prefix["score"].to_list() == pytest.approx(whole["score"].to_list(), rel=1e-9, abs=1e-12)
    assert prefix["expected"].to_list()[1:] == pytest.approx(whole["expected"].to_list()[1:], rel=1e-9)
    assert prefix["is_anomaly"].to_list() == whole["is_anomaly"].to_list()


def test_minute_by_minute_gives_the_same_as_the_batch():
    points = pl.concat([points_of(noise(2600, seed), series_id=seed) for seed in (1, 2, 3)])
    at_us = points["captured_at"].to_physical().to_numpy().reshape(3, -1)
    value = points["metric_value"].to_numpy().reshape(3, -1)
    state, scores = start_scoring(3), []
    for columns in np.array_split(np.arange(2600), 700):
        state, judged = advance_scoring(state, at_us=at_us[:, columns], value=value[:, columns])
        scores.append(judged.score)
    batch = score_series(points)["score"].to_numpy().reshape(3, -1)
    np.testing.assert_allclose(np.concatenate(scores, axis=1), batch, rtol=1e-9, atol=1e-12)


@pytest.mark.requirement("C1")
@pytest.mark.parametrize("size", [100.0, -100.0])
def test_a_spike_is_one_alarm_at_its_row(size):
    values = noise()
    values[2000] += size
    assert alarms(values) == [2000]


def test_an_episode_is_one_alarm_and_again_only_when_it_gets_worse():
    values = noise()
    values[2000:2060] += 40
    assert alarms(values) == [2000]
    worse = noise()
    worse[2000:2060] += 15
    worse[2030:2060] += 2000
    assert alarms(worse) == [2000, 2030]


@pytest.mark.parametrize("seed", range(5))
def test_usual_noise_is_quiet(seed):
    assert len(alarms(noise(4032, seed))) <= 2


def test_a_daily_pattern_is_quiet_and_a_missing_day_is_not():
    hours = np.arange(288 * 10) / 12
    values = 100 + 50 * np.sin(2 * np.pi * hours / 24) + noise(hours.size, 1, 0, 1)
    assert len(alarms(values)[2:]) == 0
    dead = values.copy()
    dead[288 * 8 : 288 * 9] = 100.0
    assert any(288 * 8 <= row < 288 * 9 for row in alarms(dead))


def test_a_level_shift_is_an_alarm_and_then_the_new_normal():
    values = noise(3000, 2) + np.where(np.arange(3000) >= 1500, 25, 0)
    found = alarms(values)
    assert found[0] == 1500
    assert len(found) <= 3


@pytest.mark.parametrize("level", [0.0, 1e-9, 0.1, 7e9])
def test_a_constant_is_quiet_until_it_moves(level):
    values = np.full(1000, level)
    assert alarms(values) == []
    values[700:] = level * 1.01 + 1e-6
    assert alarms(values)[0] == 700


def test_a_counter_that_grows_is_quiet():
    assert alarms(np.arange(3000) * 1000.0) == []
    assert len(alarms(np.cumsum(np.random.default_rng(3).poisson(50, 3000)))) <= 1


def test_uneven_steps_and_long_gaps_do_no_harm():
    points = points_of(noise())
    rng = np.random.default_rng(4)
    sparse = points.filter(pl.Series(rng.random(3000) < 0.4)).filter(
        ~pl.col("captured_at").is_between(START + timedelta(days=3), START + timedelta(days=5))
    )
    assert score_series(sparse)["is_anomaly"].sum() <= 2


def test_missing_values_score_zero_and_leave_the_rest_untouched():
    points = points_of(noise(500))
    holes = points.with_columns(metric_value=pl.when(pl.int_range(500) % 7 == 0).then(None).otherwise("metric_value"))
    scored = score_series(holes)
    assert scored.height == 500
    hole = scored.filter(pl.col("metric_value").is_null())
    assert hole["score"].sum() == 0
    assert not hole["is_anomaly"].any()
    alone = score_series(holes.drop_nulls())
    assert scored.drop_nulls("metric_value")["score"].equals(alone["score"])


def test_a_young_series_is_not_judged():
    values = noise(20)
    values[15] = 1e6
    assert score_series(points_of(values))["score"].sum() == 0


def test_series_of_different_length_do_not_mix():
    frames = [points_of(noise(rows, rows), series_id=rows) for rows in (30, 700, 2500)]
    together = score_series(pl.concat(frames).sample(fraction=1.0, shuffle=True, seed=5))
    for frame in frames:
        own = together.filter(pl.col("series_id") == frame["series_id"][0])
        assert own.equals(score_series(frame))


def test_ids_at_both_ends_of_64_bits_keep_their_series_apart():
    low, high = -(2**63), 2**63 - 1
    frames = {key: points_of(noise(300, seed), series_id=key) for seed, key in enumerate((high, low))}
    together = score_series(pl.concat(frames.values()))
    assert together["series_id"].is_sorted()
    for key, frame in frames.items():
        assert together.filter(pl.col("series_id") == key).equals(score_series(frame))


def test_nothing_in_nothing_out():
    scored = score_series(pl.DataFrame(schema=POINTS_SCHEMA))
    assert scored.columns == [*POINTS_SCHEMA, "expected", "score", "is_anomaly"]
    assert scored.height == 0


@pytest.mark.filterwarnings("error")
def test_enormous_and_tiny_numbers_give_scores_in_range():
    values = noise(600) * np.where(np.arange(600) % 2, 1e300, 1e-300)
    assert score_series(points_of(values))["score"].is_between(0, 1).all()


def test_a_shape_never_seen_is_an_alarm_though_level_range_and_errors_are_usual():
    hours = np.arange(3000) / 12
    values = 100 + 50 * np.sin(2 * np.pi * hours / 8) + noise(3000, 6, 0, 1)
    assert [row for row in alarms(values) if row > 1000] == []
    doubled = values.copy()
    doubled[2400:2592] = 100 + 50 * np.sin(2 * np.pi * hours[2400:2592] / 4) + noise(192, 7, 0, 1)
    found = [row for row in alarms(doubled) if row > 1000]
    assert found != []
    assert all(2400 <= row < 2592 + 96 for row in found)


@pytest.mark.parametrize("slope", [0.01, -3.0])
def test_a_steady_trend_is_not_news_for_ever(slope):
    values = slope * np.arange(4032) + noise(4032, 8, 0, 1)
    assert len(alarms(values)) <= 6


def test_scores_do_not_depend_on_the_unit_of_the_values():
    values = noise(2500, 9) + np.where(np.arange(2500) % 900 == 800, 14, 0)
    first = score_series(points_of(values))
    for factor in (1e-6, 1e9):
        other = score_series(points_of(values * factor))
        assert other["score"].to_list() == pytest.approx(first["score"].to_list(), rel=1e-4, abs=1e-6)
        assert other["is_anomaly"].equals(first["is_anomaly"])


def test_false_alarms_on_what_is_only_noise_are_rare():
    rng = np.random.default_rng(11)
    kinds = [
        rng.normal(0, 1, (8, 4032)),
        rng.uniform(0, 1, (8, 4032)),
        np.cumsum(rng.normal(0, 1, (8, 4032)), axis=1),
        rng.poisson(5, (8, 4032)).astype(float),
    ]
    frames = [points_of(row, series_id=number) for number, row in enumerate(np.concatenate(kinds))]
    found = score_series(pl.concat(frames))["is_anomaly"].sum()
    assert found / (32 * 4032) < 4 / 10_000
