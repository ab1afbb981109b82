"""The honest spread of a baseline: how far the next value lies from the bucket's mean, when nothing is wrong.

Variance = within + 2/m · between: `within` of the points of an hour, `between` of the occurrences of the hour on like days,
m occurrences in the bucket. One occurrence (m = 1) lacks its own distance from the usual level, and so does the next one;
of m occurrences, the sample variance lacks 1/m of `between` and their mean misses the level by another 1/m.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.baselines.day_to_day import DayToDay
from domain.baselines.group_statistics import compute_known_median

Floats = NDArray[np.float64]

#: MAD to standard deviation of a normal distribution.
MAD_TO_STD = 1.4826


@dataclass(frozen=True, slots=True)
class PredictionError:
    """Arrays of one entry per bucket; NaN where no two days are alike, so that nothing is known of the next."""

    spread: Floats
    robust_spread: Floats
    degrees: Floats


@dataclass(frozen=True, slots=True)
class Within:
    """Spread of the points inside buckets, with degrees of freedom."""

    std: Floats
    mad: Floats
    degrees: Floats


def pool_like_days(within: Within, *, is_known: NDArray[np.bool_]) -> Within:
    """[series, hour of day, day of week]: what an hour shares with the same hour of like days.

    A dozen points know their spread to 20 %, those of five days to 10 %. The variances are averaged, of the MADs the median
    is taken. Hours that are not `is_known` neither count nor get an answer of their own.
    """
    pooled = Within(*(np.full_like(part, np.nan) for part in (within.std, within.mad, within.degrees)))
    for kind in (slice(0, 5), slice(5, 7)):
        degrees = np.where(is_known[:, :, kind], within.degrees[:, :, kind], 0.0)
        known = degrees.sum(axis=2, keepdims=True)
        squares = np.where(degrees > 0, degrees * within.std[:, :, kind] ** 2, 0.0).sum(axis=2, keepdims=True)
        mads = np.where(is_known[:, :, kind], within.mad[:, :, kind], np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            pooled.std[:, :, kind] = np.sqrt(squares / known)
        pooled.mad[:, :, kind] = compute_known_median(mads)[:, :, None]
        pooled.degrees[:, :, kind] = known
    return pooled


def compute_prediction_error(within: Within, between: DayToDay, *, days: NDArray[np.int64]) -> PredictionError:
    """Spread of a new value around the bucket's mean. Degrees of freedom: Welch-Satterthwaite.

    Args:
        within: [series, hour of day, ...].
        between: of the same series and hours.
        days: occurrences in each bucket, shaped like `within.std`.

    """
    shape = (*between.std.shape, *[1] * (within.std.ndim - 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = 2.0 / days
        inner, outer = within.std**2, share * between.std.reshape(shape) ** 2
        uncertainty = inner**2 / within.degrees + outer**2 / between.degrees.reshape(shape)
        degrees = np.where(uncertainty > 0, (inner + outer) ** 2 / uncertainty, within.degrees)
        robust = (MAD_TO_STD * within.mad) ** 2 + share * between.robust_std.reshape(shape) ** 2
    total, robust = inner + outer, np.where(within.mad > 0, robust, 0.0)
    return PredictionError(np.sqrt(total), np.sqrt(robust), degrees)
