"""From cells of values to the rows of a baseline: the three levels, each with its own statistics and honest spread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from domain.baselines.day_to_day import DayToDay, compute_day_to_day, pool_hours
from domain.baselines.group_statistics import GroupStatistics, compute_group_statistics
from domain.baselines.levels import BASELINE_SCHEMA, HOURS_PER_DAY, HOURS_PER_WEEK, MIN_POINTS, BaselineLevel
from domain.baselines.occurrences import Occurrences, arrange_occurrences
from domain.baselines.prediction_error import PredictionError, Within, compute_prediction_error, pool_like_days

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

#: Where the levels' buckets begin, in days of the cells of one series: each hour has five working days, then a weekend.
_HOURS = 7 * np.arange(HOURS_PER_DAY)
_STARTS = {
    BaselineLevel.TIME_OF_WEEK: np.arange(HOURS_PER_WEEK),
    BaselineLevel.TIME_OF_DAY: (_HOURS[:, None] + np.array([0, 5])).ravel(),
    BaselineLevel.OVERALL: np.zeros(1, dtype=np.int64),
}
#: The bucket at each of these places.
_BUCKETS = {
    BaselineLevel.TIME_OF_WEEK: np.arange(HOURS_PER_WEEK).reshape(7, HOURS_PER_DAY).T.ravel(),
    BaselineLevel.TIME_OF_DAY: np.arange(2 * HOURS_PER_DAY).reshape(2, HOURS_PER_DAY).T.ravel(),
    BaselineLevel.OVERALL: np.zeros(1, dtype=np.int64),
}
#: Before, the median of all hours is that of one kind of day, and the MAD that of its nights.
_ROBUST_DAYS = 5


@dataclass(frozen=True, slots=True)
class _Level:
    """The statistics of one level, flat: series, then buckets in the order of the cells."""

    level: BaselineLevel
    found: GroupStatistics
    error: PredictionError
    age: Floats
    is_enough: NDArray[np.bool_]


def make_levels(series_ids: Counts, values: Floats, *, offsets: Counts, weeks: int, end_hour: int) -> pl.DataFrame:
    """BASELINE_SCHEMA without `computed_at`, sorted by series, level and bucket.

    Args:
        series_ids: ascending.
        values: all cells end to end, in the order hour of day, day of week, week back; without NaN.
        offsets: of the cells in `values`, 168 · weeks per series.
        weeks: length of the window.
        end_hour: hour of the week at which the window ends.

    """

    def statistics(level: BaselineLevel | None) -> GroupStatistics:
        return compute_group_statistics(values, offsets if level is None else _offsets(offsets, level, weeks=weeks))

    levels = (None if weeks == 1 else BaselineLevel.TIME_OF_WEEK, BaselineLevel.TIME_OF_DAY, BaselineLevel.OVERALL)
    with ThreadPoolExecutor(len(levels)) as pool:  # sorting releases the interpreter lock
        of_week, of_day, overall = pool.map(statistics, levels)
    cells = of_week if weeks == 1 else statistics(None)
    seen = arrange_occurrences(cells.points, cells.mean, weeks=weeks, end_hour=end_hour)
    between = compute_day_to_day(seen)
    made = [_of_week(of_week, between, seen), _of_day(of_day, between, seen), _overall(overall, between, seen)]
    frames = [_frame(one, between, series_ids=series_ids, has_baseline=made[-1].is_enough) for one in made]
    return pl.concat(frames).sort("series_id", "level", "bucket")


def _offsets(offsets: Counts, level: BaselineLevel, *, weeks: int) -> Counts:
    cells = HOURS_PER_WEEK * weeks
    starts: Counts = offsets[:-1].reshape(-1, cells)[:, weeks * _STARTS[level]].ravel()
    return np.append(starts, offsets[-1])


def _within(found: GroupStatistics, shape: tuple[int, ...]) -> Within:
    degrees = np.maximum(found.points - 1.0, 0.0)
    return Within(found.std.reshape(shape), found.mad.reshape(shape), degrees.reshape(shape))


def _of_week(found: GroupStatistics, between: DayToDay, seen: Occurrences) -> _Level:
    shape = (*seen.points.shape[:2], 7, -1)
    points, age = seen.points.reshape(shape), seen.age.reshape(shape[1:])
    is_enough = found.points >= MIN_POINTS[BaselineLevel.TIME_OF_WEEK]
    within = pool_like_days(_within(found, shape[:3]), is_known=is_enough.reshape(shape[:3]))
    error = compute_prediction_error(within, between, days=(points > 0).sum(axis=3))
    is_enough &= ~np.isnan(error.spread.ravel())
    return _Level(BaselineLevel.TIME_OF_WEEK, found, error, _mean_age(points, age, axes=(3,)), is_enough)


def _of_day(found: GroupStatistics, between: DayToDay, seen: Occurrences) -> _Level:
    kinds = [(seen.points[:, :, kind], seen.age[:, kind]) for kind in (~seen.is_weekend, seen.is_weekend)]
    days = np.stack([(points > 0).sum(axis=2) for points, _ in kinds], axis=2)
    age = np.stack([_mean_age(points, ages, axes=(2,)) for points, ages in kinds], axis=1).ravel()
    error = compute_prediction_error(_within(found, (*between.std.shape, 2)), between, days=days)
    is_enough = (found.points >= MIN_POINTS[BaselineLevel.TIME_OF_DAY]) & (days.ravel() > 1)
    return _Level(BaselineLevel.TIME_OF_DAY, found, error, age, is_enough)


def _overall(found: GroupStatistics, between: DayToDay, seen: Occurrences) -> _Level:
    days = (seen.points > 0).sum(axis=2).max(axis=1, keepdims=True)
    error = compute_prediction_error(_within(found, (-1, 1)), pool_hours(between), days=days)
    error = replace(error, robust_spread=np.where(days < _ROBUST_DAYS, 0.0, error.robust_spread))
    age = _mean_age(seen.points, seen.age, axes=(1, 2))
    return _Level(BaselineLevel.OVERALL, found, error, age, found.points >= MIN_POINTS[BaselineLevel.OVERALL])


def _mean_age(counts: Counts, age: Floats, *, axes: tuple[int, ...]) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Floats = ((counts * age).sum(axis=axes) / counts.sum(axis=axes)).ravel()
    return mean


def _frame(one: _Level, between: DayToDay, *, series_ids: Counts, has_baseline: NDArray[np.bool_]) -> pl.DataFrame:
    buckets = _BUCKETS[one.level]
    kept = np.flatnonzero(one.is_enough & np.repeat(has_baseline, buckets.size))
    series = kept // buckets.size
    columns = {
        "series_id": series_ids[series],
        "level": pl.repeat(one.level.value, kept.size, dtype=pl.String, eager=True),
        "bucket": buckets[kept % buckets.size],
        **{name: getattr(one.found, name)[kept] for name in ("points", "mean", "std", "median", "mad")},
        "spread": one.error.spread.ravel()[kept],
        "robust_spread": np.nan_to_num(one.error.robust_spread.ravel()[kept]),
        "degrees": one.error.degrees.ravel()[kept],
        "slope_per_day": between.slope[series],
        "slope_std": between.slope_std[series],
        "age_days": one.age[kept],
    }
    schema = {name: dtype for name, dtype in BASELINE_SCHEMA.items() if name != "computed_at"}
    return pl.DataFrame(columns, schema=schema, strict=False)
