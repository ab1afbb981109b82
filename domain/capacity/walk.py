"""A walk with drift and noise, fitted to many gauges at once: which part of a change stays, and which is gone tomorrow.

Formula (exponential smoothing as ARIMA(0,1,1)): y(t) - y(t-1) = μ + e(t) - θ e(t-1). θ = 0 is a random walk, θ near 1 is noise
around a line; θ comes from the first autocorrelation r of the changes, r = -θ / (1 + θ²). The drift μ is the mean change
for a walk and the median slope for a line, weighted by θ. Reference: Muth, JASA 55(290), 1960.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from domain.capacity.growth import compute_slope
from domain.seasonality.regular_grid import Floats

MAX_THETA = 0.98
#: A negative autocorrelation closer to 0 than this many standard errors (1/√n) counts as none.
CLEAR_SIGMA = 1.64


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
    mean = changes.mean(axis=1)
    centred = changes - mean[:, None]
    power = (centred**2).sum(axis=1)
    correlation = (centred[:, 1:] * centred[:, :-1]).sum(axis=1) / np.where(power > 0, power, 1.0)
    is_clear = correlation < -CLEAR_SIGMA / np.sqrt(changes.shape[1])
    theta = np.where(is_clear, _solve_theta(correlation), 0.0)
    drift = (1 - theta) * mean + theta * compute_slope(values)
    shocks = np.empty_like(centred)
    carried = np.zeros(len(values))
    for column in range(changes.shape[1]):
        carried = changes[:, column] - drift + theta * carried
        shocks[:, column] = carried
    error = (1 - theta) * shocks.std(axis=1) / np.sqrt(changes.shape[1])
    return Walk(theta, drift, error, shocks - shocks.mean(axis=1, keepdims=True), -theta * carried)


def _solve_theta(correlation: Floats) -> Floats:
    """θ in [0, MAX_THETA] for a negative first autocorrelation."""
    bounded = np.clip(correlation, -0.5, -1e-6)
    return np.asarray(np.clip((np.sqrt(1 - 4 * bounded**2) - 1) / (2 * bounded), 0.0, MAX_THETA))
