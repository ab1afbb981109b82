"""From simulated futures to the first step at or above the limit: its distribution, and what is said of it.

P is the share of paths that get there within the horizon. The step given is the median of those paths, and none where P is
below MIN_PROBABILITY; the interval is the shortest one with `level` of all paths, open above when that needs paths that
do not get there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from domain.seasonality.regular_grid import Floats

MIN_PROBABILITY = 0.2
#: Positions tried for the shortest interval.
ANCHORS = 11
#: Sums of path weights miss the share they stand for by less than this.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Passage:
    """Per gauge; steps from 1, NaN for "not within the horizon".

    Attributes:
        step, lower, upper: (n,) in bins after the newest one.
        probability: (n,) share of paths that reach the limit within the horizon.
    """

    step: Floats
    lower: Floats
    upper: Floats
    probability: Floats


def find_first_steps(paths: npt.NDArray[np.floating[Any]], distance: Floats) -> Floats:
    """(n, paths) first step, from 1, at which a path (n, paths, horizon) is at or above (n,) distance; inf for never."""
    above = paths >= distance[:, None, None]
    return np.where(above.any(axis=2), above.argmax(axis=2) + 1.0, np.inf)


def summarise(steps: Floats, weights: Floats, *, level: float) -> Passage:
    """The distribution of first steps in words a planner understands.

    Args:
        steps: (n, paths) from `find_first_steps`.
        weights: (n, paths) share of each path, rows summing to 1; 0 for a path that is not there.
        level: share of the paths in the interval.
    """
    order = np.argsort(steps, axis=1, kind="stable")
    ordered = np.take_along_axis(steps, order, axis=1)
    below = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1)
    probability = np.minimum((weights * np.isfinite(steps)).sum(axis=1), 1.0)
    step = _quantile(ordered, below, probability / 2)
    step = np.where(probability >= MIN_PROBABILITY - _ROUNDING, step, np.inf)
    lower, upper = _shortest_interval(ordered, below, level)
    lower = np.minimum(lower, step)
    upper = np.maximum(upper, np.where(np.isfinite(step), step, upper))
    step, lower, upper = (np.where(np.isfinite(end), end, np.nan) for end in (step, lower, upper))
    return Passage(step, lower, upper, probability)


def _quantile(ordered: Floats, below: Floats, share: Floats) -> Floats:
    position = np.minimum((below < share[:, None] - _ROUNDING).sum(axis=1), ordered.shape[1] - 1)
    return np.asarray(np.take_along_axis(ordered, position[:, None], axis=1)[:, 0])


def _shortest_interval(ordered: Floats, below: Floats, level: float) -> tuple[Floats, Floats]:
    """The shortest of ANCHORS intervals, from the share a to the share a + level of the paths."""
    shares = np.linspace(0.0, 1.0 - level, ANCHORS)
    lowers = np.stack([_quantile(ordered, below, np.full(len(ordered), max(share, 1e-9))) for share in shares])
    uppers = np.stack([_quantile(ordered, below, np.full(len(ordered), share + level)) for share in shares])
    beyond = 1e9
    best = (np.minimum(uppers, beyond) - np.minimum(lowers, beyond / 2)).argmin(axis=0)[None, :]
    return np.take_along_axis(lowers, best, axis=0)[0], np.take_along_axis(uppers, best, axis=0)[0]
