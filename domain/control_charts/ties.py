"""Counts and rounded values spread evenly over their step: a chart's run length needs probabilities that steps do not have.

Of a Poisson count of mean 2 either 1 in 220 or 1 in 912 lies beyond a limit, nothing between. Spread over its step a value
keeps its place among the others, and a limit inside the step catches its share.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Steps below this share of the largest value are rounding errors, no steps.
RELATIVE_STEP = 1e-9


def compute_steps(values: Floats) -> Floats:
    """(S,) the least difference between values where most are tied; 0 where most differ or all are the same.

    Args:
        values: [series, time], NaN after the end of a shorter one.

    """
    ordered = np.sort(values, axis=1)
    with np.errstate(invalid="ignore"):
        gaps = np.diff(ordered, axis=1)
        largest = np.nanmax(np.abs(np.nan_to_num(values)), axis=1, initial=0.0)
        is_step = gaps > RELATIVE_STEP * largest[:, None]
    steps = np.where(is_step, gaps, np.inf).min(axis=1, initial=np.inf)
    is_tied = is_step.sum(axis=1) < np.isfinite(values).sum(axis=1) / 2
    return np.where(is_tied & np.isfinite(steps), steps, 0.0)


def compute_spread(at_us: Ints) -> Floats:
    """Evenly spread over [-1/2, 1/2), the same for the same instants: the finalizer of SplitMix64 (Steele et al. 2014)."""
    mixed = at_us.astype(np.uint64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    spread: Floats = (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53 - 0.5
    return spread
