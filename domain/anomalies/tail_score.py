"""From a deviation to a tail probability, and from that to the score every detector of ours speaks in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

#: The tail probability, two-sided, of three standard deviations of a normal distribution: it scores 0.5.
_HALF_AT = -np.log10(2 * special.ndtr(-3.0))


def compute_tail_probability(deviation: NDArray[np.float64], *, degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two-sided tail of Student's t; `deviation` in estimated spreads, `degrees` the freedom of that estimate."""
    tail: NDArray[np.float64] = 2 * special.stdtr(degrees, -np.abs(deviation))
    return tail


def compute_tail_score(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Score in [0, 1], falling with p: 0 for p = 1, 0.5 for the p of three sigma (0.0027), towards 1 for p → 0.

    Formula: L / (L + L3) with L = -log10 p. Equal scores mean equal surprise, whatever the unit or noise of the series.
    """
    surprise = -np.log10(np.clip(probability, 1e-300, 1.0))
    score: NDArray[np.float64] = surprise / (surprise + _HALF_AT)
    return score
