"""Limits learnt from a reference: the stated run length on every kind of noise, and drift still seen."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from domain.control_charts.calibration import MIN_REFERENCE, compute_scores
from domain.control_charts.ties import compute_spread, compute_steps
from tests.benchmarks.noise_kinds import make_noise
from tests.benchmarks.run_lengths import REFERENCE, STATED, TOLERANCE, chart_noise

SOME_KINDS = ("normal", "AR(1) 0.5", "AR(1) 0.9", "exponential", "lognormal 1", "Poisson 2")


def scores_of(values: np.ndarray, *, reference: int = 1000) -> np.ndarray:
    return compute_scores(values, np.full(len(values), reference)).z


@pytest.mark.requirement("C2")
@pytest.mark.parametrize("kind", SOME_KINDS)
def test_every_chart_keeps_its_stated_run_length_on_every_kind_of_noise(kind):
    lengths = chart_noise(make_noise(kind, (400, REFERENCE + 4000), seed=1))
    for name, stated in STATED.items():
        assert lengths[name].mean() == pytest.approx(stated, rel=TOLERANCE), name


@pytest.mark.requirement("C2")
@pytest.mark.parametrize("side", [1, -1])
def test_a_shift_of_one_sigma_is_seen_on_either_side(side):
    normal = chart_noise(make_noise("normal", (200, REFERENCE + 1000), seed=2), shift=side)
    assert normal["ewma"].mean() < 12
    assert normal["cusum"].mean() < 14
    with_memory = chart_noise(make_noise("AR(1) 0.5", (200, REFERENCE + 1000), seed=2), shift=side)
    assert with_memory["ewma"].mean() < 30


@pytest.mark.parametrize("kind", ["normal", "AR(1) 0.7", "exponential"])
def test_scores_in_control_are_standard_normal_and_independent(kind):
    z = scores_of(make_noise(kind, (50, 5000), seed=3))
    assert z.std() == pytest.approx(1, abs=0.05)
    assert np.mean(z[:, 1:] * z[:, :-1]) == pytest.approx(0, abs=0.03)


def test_unit_and_zero_of_the_metric_do_not_matter():
    noise = make_noise("gamma 2", (3, 1500), seed=4)
    np.testing.assert_allclose(scores_of(1024 * noise - 64), scores_of(noise), atol=1e-6)


def test_a_series_does_not_depend_on_its_neighbours():
    rows = np.full((2, 1800), np.nan)
    rows[0], rows[1, :1500] = (
        make_noise("normal", (1, 1800), seed=5)[0],
        1e6 * make_noise("exponential", (1, 1500), seed=6)[0],
    )
    together = compute_scores(rows, np.array([1000, 900]))
    alone = compute_scores(rows[1:, :1500], np.array([900]))
    np.testing.assert_allclose(together.z[1, :600], alone.z[0])
    assert np.isnan(together.z[1, 600:]).all()
    assert together.sway[1] == pytest.approx(alone.sway[0])


def test_a_short_reference_leaves_the_residuals_as_they_are():
    noise = make_noise("exponential", (1, MIN_REFERENCE + 9), seed=7)
    short = MIN_REFERENCE - 1
    assert scores_of(noise, reference=short)[0].tolist() == noise[0, short:].tolist()


def test_what_never_happened_is_far_out_even_where_nearly_nothing_happens():
    counts = np.zeros((1, 1100))
    counts[0, [100, 400, 700, 900]] = 1.0
    counts[0, 1050] = 1000.0
    counts += compute_steps(counts)[:, None] * compute_spread(np.arange(1100))
    z = scores_of(counts)[0]
    assert z[50] > 5
    assert np.abs(np.delete(z, 50)).max() < 4


def test_values_are_spread_over_their_step_only_where_most_are_tied():
    tied = np.array([[1.0, 2.0, 2.0, 4.0, 2.0, 1.0, np.nan]])
    assert compute_steps(tied).tolist() == [1.0]
    assert compute_steps(make_noise("normal", (1, 100), seed=0)).tolist() == [0.0]
    assert compute_steps(np.full((1, 9), 0.1)).tolist() == [0.0]


def test_the_spread_is_even_and_the_same_for_the_same_instant():
    minutes = pl.datetime_range(datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC), "1m", eager=True)
    at = minutes.to_physical().to_numpy()
    spread = compute_spread(at)
    assert np.array_equal(spread[5:9], compute_spread(at[5:9]))
    assert np.histogram(spread, bins=10, range=(-0.5, 0.5))[0] / at.size == pytest.approx(0.1, abs=0.01)
