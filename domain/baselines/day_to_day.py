"""How much the same hour differs from day to day, and whether a series grows: what one week of one hour cannot tell.

A bucket of an hour of the week holds one occurrence. Its own points say how much the value moves within the hour, nothing
of how far the next occurrence lies from this one; that is learnt here from days that are alike (Monday to Friday, and the
weekend), over all hours of a series.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from domain.baselines.group_statistics import compute_known_median
from domain.baselines.occurrences import Occurrences

Floats = NDArray[np.float64]

#: Median of |difference| of two normal values to their standard deviation: 1 / (0.6745 · sqrt 2).
_PAIR_MEDIAN_TO_STD = 1.0483
#: A trend counts when chance alone would show it in one week of a hundred.
_TREND_TAIL = 0.005
#: Weight of all hours of the series in the variance of one hour, in degrees of freedom.
_SHARED_DEGREES = 6.0


@dataclass(frozen=True, slots=True)
class DayToDay:
    """Attributes, NaN where no two days are alike.

    Attributes:
        std: [series, hour of day] between occurrences of the hour, trend taken out.
        robust_std: the same from the median pair, so that one bad day does not count.
        degrees: [series, hour of day], of `std`.
        slope: [series], per day; 0 where the days do not clearly show one.
        slope_std: [series], its standard error.

    """

    std: Floats
    robust_std: Floats
    degrees: Floats
    slope: Floats
    slope_std: Floats


def compute_day_to_day(seen: Occurrences) -> DayToDay:
    """Differences of all pairs of like days; the variance of m values is the sum of squared pair differences / m(m - 1).

    Slope: Theil-Sen over the pairs (Sen 1968), multiplied by max(0, 1 - (t* / t)²), t* being the 1 % point of Student's t.
    Variance of an hour: pooled over its neighbours (weights 1, 2, 1) and, with six degrees of freedom, over the whole day.
    """
    left, right = _like_days(seen.is_weekend)
    difference = seen.mean[:, :, right] - seen.mean[:, :, left]
    distance = seen.age[:, left] - seen.age[:, right]
    share = _pair_shares(seen, left)
    slope, slope_std = _trend(difference, distance, share=share)
    difference -= slope[:, None, None] * distance
    squares = np.nansum(difference**2 * share, axis=2)
    degrees = _degrees(seen)
    with np.errstate(invalid="ignore", divide="ignore"):
        everywhere = squares.sum(axis=1, keepdims=True) / degrees.sum(axis=1, keepdims=True)
        near = _over_neighbours(squares, beside=0.5) + _SHARED_DEGREES * everywhere
        weight = _over_neighbours(degrees, beside=0.5) + _SHARED_DEGREES
        # of a weighted sum of independent variances; those of the whole day count as known to all its degrees
        noise = _over_neighbours(degrees, beside=0.25) + _SHARED_DEGREES**2 / degrees.sum(axis=1, keepdims=True)
    return DayToDay(np.sqrt(near / weight), _median_pair(difference), weight**2 / noise, slope, slope_std)


def pool_hours(between: DayToDay) -> DayToDay:
    """One column for the whole day; 0 where no two days are alike, for whoever must go without."""
    return DayToDay(
        np.sqrt(np.nan_to_num(between.std**2).mean(axis=1, keepdims=True)),
        np.sqrt(np.nan_to_num(between.robust_std**2).mean(axis=1, keepdims=True)),
        np.maximum(between.degrees.mean(axis=1, keepdims=True), 1.0),
        between.slope,
        between.slope_std,
    )


def _like_days(is_weekend: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    left, right = np.triu_indices(is_weekend.size, k=1)
    is_like = is_weekend[left] == is_weekend[right]
    return left[is_like], right[is_like]


def _kind_counts(seen: Occurrences) -> tuple[Floats, Floats]:
    filled = seen.points > 0
    return (
        filled[:, :, ~seen.is_weekend].sum(axis=2, dtype=np.float64),
        filled[:, :, seen.is_weekend].sum(axis=2, dtype=np.float64),
    )


def _degrees(seen: Occurrences) -> Floats:
    weekdays, weekends = _kind_counts(seen)
    return np.maximum(weekdays - 1, 0.0) + np.maximum(weekends - 1, 0.0)


def _pair_shares(seen: Occurrences, left: NDArray[np.int64]) -> Floats:
    # Of m like days, sum of squares around their mean = sum over pairs / m.
    weekdays, weekends = _kind_counts(seen)
    with np.errstate(divide="ignore"):
        return np.where(seen.is_weekend[left], 1 / weekends[:, :, None], 1 / weekdays[:, :, None])


def _trend(difference: Floats, distance: Floats, *, share: Floats) -> tuple[Floats, Floats]:
    is_known = ~np.isnan(difference)
    known = np.where(is_known, difference, 0.0)
    lengths = np.einsum("shp,hp->sp", is_known.astype(float), distance**2)
    with np.errstate(invalid="ignore", divide="ignore"):
        pair_slopes = np.einsum("shp,hp->sp", known, distance) / lengths
        slope = compute_known_median(pair_slopes)
        hours = is_known.sum(axis=1)
        reach = np.sqrt(lengths / hours)
        weight = np.where(hours > 0, np.where(is_known, share, 0.0).sum(axis=1) / hours, 0.0)
        rest = np.nansum(weight * ((pair_slopes - slope[:, None]) * reach) ** 2, axis=1)
        spread = np.nansum(weight * reach**2, axis=1)
        degrees = _day_degrees(hours, weight)
        error = np.sqrt(rest / degrees / spread)
        limit = -special.stdtrit(np.maximum(degrees, 1.0), _TREND_TAIL)
        kept = np.maximum(0.0, 1.0 - (limit * error / np.abs(slope)) ** 2)
    kept = np.where((degrees >= 1) & np.isfinite(kept), kept, 0.0)
    return np.where(kept > 0, kept * np.nan_to_num(slope), 0.0), np.where(kept > 0, kept * np.nan_to_num(error), 0.0)


def _day_degrees(hours: NDArray[np.int64], weight: Floats) -> Floats:
    # m like days are m(m-1)/2 pairs of weight 1/m each: their sum is (m - 1) / 2. One degree goes to the slope.
    degrees: Floats = np.round(2 * np.where(hours > 0, weight, 0.0).sum(axis=1), 6) - 1.0
    return degrees


def _over_neighbours(hours: Floats, *, beside: float) -> Floats:
    smooth: Floats = beside * np.roll(hours, 1, axis=1) + hours + beside * np.roll(hours, -1, axis=1)
    return smooth


def _median_pair(difference: Floats) -> Floats:
    size = np.abs(difference)
    around = np.concatenate([np.roll(size, 1, axis=1), size, np.roll(size, -1, axis=1)], axis=2)
    return _PAIR_MEDIAN_TO_STD * compute_known_median(around)
