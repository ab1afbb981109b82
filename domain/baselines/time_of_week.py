"""Baselines per series and hour of the week, with coarser levels behind them (C1).

Reads a window of points, answers one row per series, level and bucket. Numpy on all series at once; the caller reads
the points from the lake and writes the rows back.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from domain.baselines.exclusions import drop_excluded
from domain.baselines.group_statistics import GroupStatistics, compute_group_statistics
from domain.baselines.levels import BASELINE_SCHEMA, HOURS_PER_WEEK, MIN_POINTS, BaselineLevel, hour_of_week

#: Keys order each series by hour of day, then day of week: every level is then a run of neighbours.
_GROUPS_PER_BUCKET = {
    BaselineLevel.TIME_OF_WEEK: 1,
    BaselineLevel.TIME_OF_DAY: 7,
    BaselineLevel.OVERALL: HOURS_PER_WEEK,
}
_HOUR_AT_POSITION = np.arange(HOURS_PER_WEEK, dtype=np.int64).reshape(7, 24).T.ravel()
_POSITION_OF_HOUR = np.argsort(_HOUR_AT_POSITION).astype(np.int32)


def compute_baselines(
    points: pl.DataFrame, *, as_of: datetime, window_days: int = 7, excluded: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Normal level and spread of every series, from the points in [as_of - window_days, as_of).

    Args:
        points: POINTS_SCHEMA, any order (fastest in runs of one series); null and non-finite values are left out.
        as_of: aware instant; becomes `computed_at`. Points at or after it are not used.
        window_days: length of the window.
        excluded: EXCLUDED_SCHEMA of `domain.baselines.exclusions`; points in these periods are not used.

    Returns:
        BASELINE_SCHEMA, sorted by series, level and bucket. A bucket with fewer points than MIN_POINTS of its level is
        absent; a series with fewer than 20 points in all has no rows. No points: no rows.

    """
    end = _microseconds(as_of)
    at = pl.col("captured_at").to_physical()
    used = points.filter(
        pl.col("metric_value").is_finite(),
        at < end,
        at >= end - window_days * 86_400_000_000,
    )
    if excluded is not None and excluded.height and used.height:
        used = drop_excluded(used, excluded)
    if used.is_empty():
        return pl.DataFrame(schema=BASELINE_SCHEMA)
    series_ids, rank = _rank_series(used["series_id"].to_numpy())
    hours = used.select(hour_of_week()).to_series().to_numpy()
    key = rank
    key *= HOURS_PER_WEEK
    key += _POSITION_OF_HOUR[hours]
    values = used["metric_value"].to_numpy()[np.argsort(key, kind="stable")]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(key, minlength=series_ids.size * HOURS_PER_WEEK))])
    make_level = partial(_level_frame, series_ids=series_ids, values=values, offsets=offsets)
    with ThreadPoolExecutor(len(BaselineLevel)) as pool:  # sorting releases the interpreter lock
        levels = list(pool.map(make_level, BaselineLevel))
    frame = pl.concat(levels).with_columns(computed_at=pl.lit(end).cast(BASELINE_SCHEMA["computed_at"]))
    has_overall = pl.col("series_id").is_in(levels[-1]["series_id"].implode())
    return frame.filter(has_overall).sort("series_id", "level", "bucket").select(list(BASELINE_SCHEMA))


def _microseconds(instant: datetime) -> int:
    if instant.tzinfo is None:
        raise ValueError("as_of must be aware: an instant without a zone is ambiguous")
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _rank_series(series_id: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    # Only the first point of each run is looked up: sorted input costs as many look-ups as it has runs.
    is_first = np.concatenate([[True], series_id[1:] != series_id[:-1]])
    starts = np.flatnonzero(is_first)
    ids, inverse = np.unique(series_id[starts], return_inverse=True)
    return ids, np.repeat(inverse.astype(np.int32), np.diff(np.append(starts, series_id.size)))


def _level_frame(
    level: BaselineLevel, *, series_ids: NDArray[np.int64], values: NDArray[np.float64], offsets: NDArray[np.int64]
) -> pl.DataFrame:
    merged = _GROUPS_PER_BUCKET[level]
    found = compute_group_statistics(values, offsets[::merged], min_points=MIN_POINTS[level])
    kept = np.flatnonzero(found.points >= MIN_POINTS[level])
    buckets = HOURS_PER_WEEK // merged
    position = kept % buckets
    bucket: NDArray[np.int64] = _HOUR_AT_POSITION[position] if level is BaselineLevel.TIME_OF_WEEK else position
    return _frame(level, found, kept=kept, series_id=series_ids[kept // buckets], bucket=bucket)


def _frame(
    level: BaselineLevel,
    found: GroupStatistics,
    *,
    kept: NDArray[np.int64],
    series_id: NDArray[np.int64],
    bucket: NDArray[np.int64],
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "series_id": series_id,
            "level": pl.repeat(level.value, kept.size, dtype=pl.String, eager=True),
            "bucket": bucket,
            "points": found.points[kept],
            "mean": found.mean[kept],
            "std": found.std[kept],
            "median": found.median[kept],
            "mad": found.mad[kept],
        },
        schema={name: dtype for name, dtype in BASELINE_SCHEMA.items() if name != "computed_at"},
        strict=False,
    )
