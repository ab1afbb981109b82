"""Baselines per series and hour of the week, with coarser levels behind them (C1).

Reads a window of points, answers one row per series, level and bucket. Numpy on all series at once; the caller reads
the points from the lake and writes the rows back.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from domain.baselines.bucket_rows import make_levels
from domain.baselines.exclusions import drop_excluded
from domain.baselines.levels import BASELINE_SCHEMA, HOURS_PER_WEEK, hour_of_week

_US_PER_HOUR = 3_600_000_000

#: Into how many blocks many series are cut, and how many are worked on at the same time.
BLOCKS, WORKERS, MIN_BLOCK_SERIES = 4, 2, 500


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
        absent, and so are the hours of a series that has no two like days; a series with fewer than 20 points in all has no
        rows. No points: no rows.

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
    weeks = math.ceil(window_days / 7)
    series_ids, rank = _rank_series(used["series_id"].to_numpy())
    end_hour = int((end // _US_PER_HOUR + 72) % HOURS_PER_WEEK)

    def make(block: slice) -> pl.DataFrame:
        ids, mine = series_ids[block], (rank >= block.start) & (rank < block.stop)
        points_of_block = used if ids.size == series_ids.size else used.filter(pl.Series(mine))
        ranks = rank[mine] - np.int32(block.start)
        values, offsets = _sort_into_cells(points_of_block, ranks, end=end, weeks=weeks, series=ids.size)
        return make_levels(ids, values, offsets=offsets, weeks=weeks, end_hour=end_hour)

    # numpy sorts outside the interpreter's lock: blocks of series are sorted side by side
    size = max(MIN_BLOCK_SERIES, -(-series_ids.size // BLOCKS))
    blocks = [slice(first, min(first + size, series_ids.size)) for first in range(0, series_ids.size, size)]
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        frame = pl.concat(list(pool.map(make, blocks)))
    return frame.with_columns(computed_at=pl.lit(end).cast(BASELINE_SCHEMA["computed_at"]))


def _sort_into_cells(
    used: pl.DataFrame, rank: NDArray[np.int32], *, end: int, weeks: int, series: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    # Cells order each series by hour of day, day of week, week: every level is then a run of neighbours.
    hours = used.select(hour_of_week()).to_series().to_numpy()
    position = np.argsort(np.arange(HOURS_PER_WEEK).reshape(7, 24).T.ravel()).astype(np.int32)
    key = rank
    key *= HOURS_PER_WEEK
    key += position[hours]
    if weeks > 1:
        back = used.select((end - 1 - pl.col("captured_at").to_physical()) // (_US_PER_HOUR * HOURS_PER_WEEK))
        key = key * np.int32(weeks) + back.to_series().cast(pl.Int32).to_numpy()
    offsets = np.concatenate([[0], np.cumsum(np.bincount(key, minlength=series * HOURS_PER_WEEK * weeks))])
    return used["metric_value"].to_numpy()[np.argsort(key, kind="stable")], offsets


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
