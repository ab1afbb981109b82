"""From a deviation to its surprise, and from that to the score every detector of ours speaks in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]

#: The tail probability, two-sided, of three standard deviations of a normal distribution: it scores 0.5.
_HALF_AT = -np.log10(2 * special.ndtr(-3.0))
_LOG_10, _LOG_2 = np.log(10.0), np.log(2.0)


def compute_normal_deviate(deviation: Floats, *, degrees: Floats) -> Floats:
    """The normal deviate, not negative, that is as far out as a deviation under Student's t.

    Formula: z = (8n + 1) / (8n + 3) · sqrt(n · ln(1 + t² / n)), n degrees (Wallace 1959, Bounds on normal approximations to
    Student's). Against the exact tail, for |t| up to 5, z is low by less than 3 % with one or two degrees, 1.2 % from three on
    and 0.2 % from ten on. A tenth of the cost of the tail itself.

    Args:
        deviation: in estimated spreads, either sign.
        degrees: freedom of that estimate.

    """
    with np.errstate(over="ignore", invalid="ignore"):
        z: Floats = np.sqrt(degrees * np.log1p(np.square(deviation) / degrees)) * _ratio(degrees)
    return z


def compute_student_width(sigma: float, *, degrees: Floats) -> Floats:
    """The deviation under Student's t that is as far out as `sigma` of a normal: the inverse of `compute_normal_deviate`."""
    width: Floats = np.sqrt(degrees * np.expm1(np.square(sigma / _ratio(degrees)) / degrees))
    return width


def compute_tail_score(z: Floats) -> Floats:
    """Score in [0, 1], rising with |z|: 0 at 0, 0.5 at three, towards 1 far out.

    Formula: L / (L + L3) with L = -log10 p and p the two-sided normal tail. Equal scores mean equal surprise, whatever the
    unit or noise of the series.
    """
    with np.errstate(invalid="ignore"):
        log_p = special.log_ndtr(-np.minimum(np.abs(z), 37.0)) + _LOG_2  # beyond 37 the tail is below 1e-300
        surprise = np.maximum(-log_p / _LOG_10, 0.0)
        score: Floats = surprise / (surprise + _HALF_AT)
    return score


def _ratio(degrees: Floats) -> Floats:
    ratio: Floats = (8 * degrees + 1) / (8 * degrees + 3)
    return ratio
