"""A walk with drift and noise, fitted to many gauges at once: which part of a change stays, and which is gone tomorrow.

Formula (exponential smoothing as ARIMA(0,1,1)): y(t) - y(t-1) = μ + e(t) - θ e(t-1). θ = 0 is a random walk, θ near 1 is noise
around a line; θ is the one of THETAS with the least squared shocks, if clearly better than 0 (likelihood ratio). The drift
μ is the mean change for a walk and the median slope for a line, weighted by θ. Reference: Muth, JASA 55(290), 1960.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from domain.capacity.growth import compute_slope
from domain.seasonality.regular_grid import Floats

THETAS = (0.0, 0.2, 0.4, 0.6, 0.75, 0.85, 0.93, 0.98)
#: Twice the log likelihood ratio that θ > 0 has to gain: the 5 % point of χ² with one degree of freedom.
LIKELIHOOD_GAIN = 3.84


@dataclass(frozen=True, slots=True)
class Walk:
    """Per gauge.

    Attributes:
        theta: (n,) share of a shock that does not stay.
        drift: (n,) mean change per bin.
        drift_error: (n,) standard error of the drift: every future has a drift of its own.
        shocks: (n, L - 1) past shocks, mean 0.
        start: (n,) level the future starts from, minus the last value.
    """

    theta: Floats
    drift: Floats
    drift_error: Floats
    shocks: Floats
    start: Floats


def fit_walk(values: Floats) -> Walk:
    """Fit (n, L) histories without NaN, L at least 3."""
    changes = np.diff(values, axis=1)
    mean, slope = changes.mean(axis=1), compute_slope(values)
    power = np.stack([(_compute_shocks(changes, mean, slope, theta)[0] ** 2).sum(axis=1) for theta in THETAS])
    best = power.argmin(axis=0)
    least = np.take_along_axis(power, best[None, :], axis=0)[0]
    is_clear = least * np.exp(LIKELIHOOD_GAIN / changes.shape[1]) < power[0]
    theta = np.where(is_clear, np.array(THETAS)[best], 0.0)
    shocks, drift = _compute_shocks(changes, mean, slope, theta)
    error = (1 - theta) * shocks.std(axis=1) / np.sqrt(changes.shape[1])
    return Walk(theta, drift, error, shocks - shocks.mean(axis=1, keepdims=True), -theta * shocks[:, -1])


def _compute_shocks(changes: Floats, mean: Floats, slope: Floats, theta: Floats | float) -> tuple[Floats, Floats]:
    """(n, L - 1) shocks e(t) = change - drift + θ e(t-1), and the (n,) drift, for a given θ."""
    drift = (1 - theta) * mean + theta * slope
    shocks = changes - drift[:, None]
    for column in range(1, changes.shape[1]):
        shocks[:, column] += theta * shocks[:, column - 1]
    return shocks, np.asarray(drift)
