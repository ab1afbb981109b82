"""Counts follow the Poisson law at any mean, and noise is the same however it is asked."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from resources.simulator.noise import compute_poisson, compute_smooth_noise, day_generator


@pytest.mark.parametrize("mean", [0.02, 0.7, 5.0, 11.9, 12.1, 300.0])
def test_counts_have_the_mean_and_variance_of_poisson(mean: float) -> None:
    uniform = (np.arange(20_000) + 0.5) / 20_000
    counts = compute_poisson(np.full(20_000, mean), uniform)
    assert counts.mean() == pytest.approx(mean, rel=0.02)
    assert counts.var() == pytest.approx(mean, rel=0.05)
    exact = stats.poisson.ppf(uniform, mean)
    assert np.abs(counts - exact).max() <= 1


def test_a_changed_mean_changes_only_its_own_cells() -> None:
    uniform = day_generator(7, "x", 1).random((2, 100))
    mean = np.full((2, 100), 3.0)
    changed = mean.copy()
    changed[0, 50:] = 30.0
    before, after = compute_poisson(mean, uniform), compute_poisson(changed, uniform)
    np.testing.assert_array_equal(before[1], after[1])
    np.testing.assert_array_equal(before[0, :50], after[0, :50])


def test_smooth_noise_is_continuous_over_midnight() -> None:
    today, tomorrow = (compute_smooth_noise(7, "x", day, 3) for day in (100, 101))
    steps = np.abs(np.diff(today, axis=1)).max()
    assert np.abs(tomorrow[:, 0] - today[:, -1]).max() <= steps * 1.5
