"""What the causal score promises: no look into the future, one alarm per episode, and quiet on what is usual."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from domain.anomalies.causal import LEAST_ROWS, advance_scoring, score_series, start_scoring
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


@pytest.mark.requirement("C1")
@pytest.mark.parametrize("height", [15.0, 40.0, -40.0, 200.0])
def test_an_episode_far_longer_than_the_rest_is_still_one_alarm(height):
    """300 rows are five rests. Not one more alarm in five of six such episodes, and never more than one more."""
    counts = []
    for seed in range(6):
        values = noise(3000, seed)
        values[2000:2300] += height
        found = [row for row in alarms(values) if 2000 <= row < 2400]
        assert found[0] == 2000
        counts.append(len(found))
    assert max(counts) <= 2
    assert sum(counts) <= 7


def test_a_long_wild_episode_alarms_once_per_rest_at_most():
    for seed in range(6):
        values = noise(3000, seed)
        values[2000:2300] = noise(300, seed + 50, spread=20.0)
        found = [row for row in alarms(values) if row >= 2000]
        assert 2000 <= found[0] <= 2002
        assert len(found) <= 5


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


def test_resets_of_a_counter_are_an_alarm_each_at_most_and_the_growth_between_them_is_none():
    resets = [700, 1500, 2200, 2700]
    for seed in range(4):
        counter = np.cumsum(np.random.default_rng(seed).poisson(50, 3000)).astype(float)
        for row in resets:
            counter[row:] -= counter[row]
        found = alarms(counter)
        assert found[0] == 700, "the first fall of something that only grew"
        assert set(found) <= set(resets)


def uneven(seed):
    """Every step another one, and two days missing."""
    kept = pl.Series(np.random.default_rng(seed).random(3000) < 0.4)
    gap = pl.col("captured_at").is_between(START + timedelta(days=3), START + timedelta(days=5))
    return points_of(noise(seed=seed)).filter(kept).filter(~gap)


def test_uneven_steps_and_long_gaps_do_no_harm():
    assert score_series(uneven(4))["is_anomaly"].sum() <= 2


@pytest.mark.requirement("C1")
@pytest.mark.parametrize("size", [20.0, -20.0])
def test_on_uneven_steps_an_anomaly_is_found(size):
    for seed in range(6):
        points = uneven(seed)
        row = points.height * 4 // 5
        spiked = points.with_columns(metric_value=pl.col("metric_value") + size * (pl.int_range(pl.len()) == row))
        found = score_series(spiked)["is_anomaly"].arg_true().to_list()
        assert row in found
        assert len(found) <= 3


@pytest.mark.requirement("C1")
@pytest.mark.parametrize("rows", [22, 23, 30, 60, 100, 150])
def test_a_series_with_little_history_finds_what_is_plain_and_keeps_quiet_otherwise(rows):
    quiet = pl.concat([points_of(noise(rows, seed), series_id=seed) for seed in range(40)])
    assert score_series(quiet)["is_anomaly"].sum() <= 2, "in 40 series"
    is_spiked = pl.int_range(pl.len()).over("series_id") == rows - 3
    plain = score_series(quiet.with_columns(metric_value=pl.col("metric_value") + 40.0 * is_spiked))
    assert plain.filter(is_spiked)["is_anomaly"].sum() == (0 if rows - 3 < LEAST_ROWS else 40)


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
