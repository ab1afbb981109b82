"""The two bands a point is held against, classical and robust, with the surprise of the point in each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from domain.anomalies.tail_score import compute_tail_probability, compute_tail_score

Floats = NDArray[np.float64]

#: MAD to standard deviation of a normal distribution.
MAD_TO_STD = 1.4826
#: Efficiency of the MAD: as a spread it knows as much as 0.37 n values do through the standard deviation.
MAD_EFFICIENCY = 0.37


@dataclass(frozen=True, slots=True)
class Band:
    """Arrays of one entry per point; NaN where the baseline is missing. `score` is that of `tail_score`."""

    center: Floats
    lower: Floats
    upper: Floats
    score: Floats
    is_outside: NDArray[np.bool_]


def compute_classical_band(value: Floats, mean: Floats, *, std: Floats, count: Floats, sigma: float) -> Band:
    """Mean ± sigma · std. The tail is Student's with n - 1 degrees, of a new value: spread std · sqrt(1 + 1/n)."""
    return _band(value, mean, spread=std, width=np.full(value.size, sigma), degrees=count - 1, count=count)


def compute_robust_band(value: Floats, median: Floats, *, mad: Floats, count: Floats, sigma: float) -> Band:
    """Median ± k · 1.4826 · MAD; k has the tail of `sigma` under Student's t with 0.37 (n - 1) degrees.

    A MAD of a dozen points is uncertain; the fixed factor 3 would object to 3 % of normal points instead of 0.3 %.
    Reference: Rousseeuw and Croux, Alternatives to the median absolute deviation, 1993 (efficiency 0.37).
    """
    degrees = np.maximum(MAD_EFFICIENCY * (count - 1), 1.0)
    width = special.stdtrit(degrees, special.ndtr(sigma))
    return _band(value, median, spread=MAD_TO_STD * mad, width=width, degrees=degrees, count=count)


def _band(value: Floats, center: Floats, *, spread: Floats, width: Floats, degrees: Floats, count: Floats) -> Band:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        deviation = np.abs(value - center) / (spread * np.sqrt(1 + 1 / count))
    deviation = np.where(value == center, 0.0, deviation)
    score = compute_tail_score(compute_tail_probability(deviation, degrees=degrees))
    lower, upper = center - width * spread, center + width * spread
    return Band(center, lower, upper, score, is_outside=(value < lower) | (value > upper))
