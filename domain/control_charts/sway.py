"""How much more the scores of a series sway over a chart's memory than independent ones would.

A baseline bucket of a dozen points errs by a third of a sigma, and all points of its hour share that error: an autoregression
of low order does not see it, but a sum of twenty points does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from domain.control_charts.ewma import WEIGHT, compute_ewma

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Points until the memory of the mean is full.
WARM_UP = 50


def compute_sway(scores: Floats, sizes: Ints) -> Floats:
    """(S,) width of the exponentially weighted mean over that of independent points; near 1 for most series.

    The width is that of a normal distribution of the same fourth moment, (E e^4 / 3)^(1/4): alarms come from the tails, and
    errors that a skewed series shares make heavy ones. The ratio v of squared widths has the standard error
    √(2 · memory / points), memory = 2 / WEIGHT - 1; its distance from 1 counts by the share (v - 1)² / ((v - 1)² + error²) that
    is not chance.

    Args:
        scores: [series, time], NaN after the end of a shorter one.
        sizes: (S,) filled cells of each row, more than WARM_UP.

    """
    memory, points = 2 / WEIGHT - 1, sizes - WARM_UP
    squares = np.square(np.where(np.isnan(scores), 0.0, compute_ewma(scores).statistic)[:, WARM_UP:])
    excess = np.sqrt(np.einsum("st,st->s", squares, squares) / points / 3) * memory - 1
    chance = 2 * memory / points
    sway: Floats = np.sqrt(1 + excess**3 / (excess**2 + chance))
    return sway
