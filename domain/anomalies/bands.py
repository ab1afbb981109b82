"""The two bands a point is held against, classical and robust, with the surprise of the point in each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.anomalies.tail_score import compute_normal_deviate, compute_student_width

Floats = NDArray[np.float64]

#: Efficiency of the MAD: as a spread it knows as much as 0.37 n values do through the standard deviation.
MAD_EFFICIENCY = 0.37


@dataclass(frozen=True, slots=True)
class Band:
    """Arrays of one entry per point; NaN where the baseline is missing. `surprise` is a normal deviate, not negative."""

    center: Floats
    lower: Floats
    upper: Floats
    surprise: Floats
    is_outside: NDArray[np.bool_]


def compute_classical_band(value: Floats, mean: Floats, *, spread: Floats, degrees: Floats, sigma: float) -> Band:
    """Mean ± sigma · spread, the spread being the standard error of a prediction."""
    return _band(value, mean, spread=spread, width=np.full(value.size, sigma), degrees=degrees)


def compute_robust_band(value: Floats, median: Floats, *, spread: Floats, degrees: Floats, sigma: float) -> Band:
    """Median ± k · spread, the spread made of MADs; k has the tail of `sigma` under Student's t with 0.37 n degrees.

    A spread of few values is uncertain; the fixed factor 3 would object to 3 % of normal points instead of 0.3 %.
    Reference: Rousseeuw and Croux, Alternatives to the median absolute deviation, 1993 (efficiency 0.37).
    """
    fewer = np.maximum(MAD_EFFICIENCY * degrees, 1.0)
    return _band(value, median, spread=spread, width=compute_student_width(sigma, degrees=fewer), degrees=fewer)


def _band(value: Floats, center: Floats, *, spread: Floats, width: Floats, degrees: Floats) -> Band:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        deviation = np.abs(value - center) / spread
    surprise = np.where(value == center, 0.0, compute_normal_deviate(deviation, degrees=degrees))
    lower, upper = center - width * spread, center + width * spread
    return Band(center, lower, upper, surprise, is_outside=(value < lower) | (value > upper))
