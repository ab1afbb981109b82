"""The estate's samples are a pure function of seed, faults and time, consistent with one another."""

from __future__ import annotations

import numpy as np
import pytest

from resources.simulator.fault_model import FaultWindow, load_fault_catalogue
from resources.simulator.grid import DAY_MS, SAMPLES_PER_DAY, sample_ms
from resources.simulator.sample_store import Samples, SampleStore
from resources.simulator.topology import load_topology

CATALOGUE, TOPOLOGY = load_fault_catalogue(), load_topology()
DAY = 20_524


def new_store(seed: int = 7, *, begin_day: int = DAY - 3, cache_bytes: int = 100_000_000) -> SampleStore:
    return SampleStore(TOPOLOGY, CATALOGUE, seed=seed, begin_ms=begin_day * DAY_MS, cache_bytes=cache_bytes)


def read(store: SampleStore, name: str, first_day: int, last_day: int, **labels: str) -> Samples:
    def matches(found: dict[str, str]) -> bool:
        return found["__name__"] == name and all(found[k] == v for k, v in labels.items())

    return store.select(
        matches, {name}, first_index=first_day * SAMPLES_PER_DAY, last_index=(last_day + 1) * SAMPLES_PER_DAY - 1
    )


def test_values_do_not_depend_on_what_was_asked_before_or_kept_in_memory() -> None:
    whole = read(new_store(), "http_requests_total", DAY - 2, DAY)
    tiny = new_store(cache_bytes=1)
    backwards = [read(tiny, "http_requests_total", day, day).values for day in (DAY, DAY - 1, DAY - 2)]
    np.testing.assert_array_equal(whole.values, np.concatenate(backwards[::-1], axis=1))


def test_another_seed_is_another_estate_of_the_same_shape() -> None:
    one, other = (read(new_store(seed), "container_memory_usage_bytes", DAY, DAY) for seed in (1, 2))
    assert one.labels == other.labels
    assert not np.array_equal(one.values, other.values)


def test_nothing_is_there_before_the_origin() -> None:
    samples = read(new_store(begin_day=DAY), "up", DAY - 1, DAY)
    assert np.isnan(samples.values[:, : SAMPLES_PER_DAY - 1]).all()
    assert not np.isnan(samples.values[:, SAMPLES_PER_DAY:]).any()


def test_counters_grow_and_fall_only_at_the_weekly_deploy() -> None:
    samples = read(new_store(), "http_requests_total", DAY - 2, DAY, status="200")
    falls = np.unique(np.nonzero(np.diff(samples.values, axis=1) < 0)[1])
    assert len(falls) == 1
    at_ms = int(sample_ms((DAY - 2) * SAMPLES_PER_DAY + int(falls[0]) + 1))
    assert at_ms // DAY_MS == DAY - 1, "Wednesday"
    assert at_ms % DAY_MS // 60_000 == TOPOLOGY.deploy_minute_of_day


def test_histograms_agree_with_request_counts_and_never_shrink_with_le() -> None:
    store = new_store()
    labels = {"service": "loader", "endpoint": "/signals"}
    buckets = read(store, "http_request_duration_seconds_bucket", DAY, DAY, **labels).values
    count = read(store, "http_request_duration_seconds_count", DAY, DAY, **labels).values
    requests = read(store, "http_requests_total", DAY, DAY, **labels).values.sum(axis=0)
    assert (np.diff(buckets, axis=0) >= 0).all()
    np.testing.assert_array_equal(buckets[-1], count[0])
    np.testing.assert_allclose(np.diff(requests), np.diff(count[0]), atol=60)


def test_loader_metrics_agree_with_the_runs() -> None:
    store = new_store()
    runs = store.day(DAY).runs
    total = read(store, "etl_loader_runs_total", DAY, DAY, loader="orders")
    here = np.array([name == "orders" for name in runs.loader]) & (runs.finished_s < (DAY + 1) * 86_400)
    finished = total.values[:, -1] - total.values[:, 0]
    assert finished.sum() == pytest.approx(here.sum(), abs=2)
    duration = read(store, "etl_loader_duration_seconds", DAY, DAY, loader="orders").values[0]
    expected = (runs.finished_s - runs.started_s)[here]
    nearest = np.abs(np.unique(duration)[:, None] - expected[None, :]).min(axis=1)
    assert (nearest < 0.01).mean() > 0.99, "all but the one carried over midnight"


def test_traffic_has_a_daily_and_a_weekly_season_and_grows() -> None:
    store = new_store(begin_day=DAY - 14)
    values = read(store, "http_requests_total", DAY - 14, DAY - 1, service="gateway", status="200").values.sum(axis=0)
    increments = np.clip(np.diff(values, prepend=values[0]), 0, None).reshape(14, 24, -1).sum(axis=2)
    assert increments[0, 10] > 3 * increments[0, 3], "morning against night"
    by_day = increments.sum(axis=1)
    assert by_day[:7].max() > 1.6 * by_day[:7].min(), "weekday against weekend"
    assert by_day[7:].sum() > by_day[:7].sum(), "growth"


def test_ending_a_fault_early_brings_the_usual_values_back_from_then_on() -> None:
    store, usual = new_store(), new_store()
    onset = DAY * 86_400.0 + 36_000
    read(store, "up", DAY, DAY)
    store.replace_windows([FaultWindow("m", "missing-data", onset, onset + 3600)])
    read(store, "up", DAY, DAY)
    store.replace_windows([FaultWindow("m", "missing-data", onset, onset + 600)])
    ended = int((36_000 + 600) / 30) + 1
    after = read(store, "up", DAY, DAY).values
    assert (after[:, : int(36_000 / 30) - 1] == 1).all()
    assert (after[:, int(36_000 / 30) + 2] == 0).any()
    np.testing.assert_array_equal(after[:, ended:], read(usual, "up", DAY, DAY).values[:, ended:])
