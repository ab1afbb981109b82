"""The three levels of a baseline, finest first, and the bucket an instant falls into at each. All hours are UTC."""

from __future__ import annotations

from enum import StrEnum

import polars as pl

from domain.signals import TIMESTAMP

HOURS_PER_DAY = 24
HOURS_PER_WEEK = 168
#: Days are alike from Monday to Friday, and Saturday and Sunday are.
FIRST_WEEKEND_HOUR = 5 * HOURS_PER_DAY
_US_PER_HOUR = 3_600_000_000
#: 1970-01-01 was a Thursday; weeks are counted from Monday.
_EPOCH_OFFSET_HOURS = 72


class BaselineLevel(StrEnum):
    """How much of the calendar a baseline knows. A coarser one answers where a finer one has too few points.

    Buckets: hour of the week, 0 to 167; hour of the day, 0 to 23 of Monday to Friday and 24 to 47 of the weekend; 0.
    """

    TIME_OF_WEEK = "time_of_week"
    TIME_OF_DAY = "time_of_day"
    OVERALL = "overall"


LEVEL = pl.Enum([level.value for level in BaselineLevel])

#: Fewest points that make a bucket; below, the bucket is not emitted and the next level answers. A series with too few
#: points for `overall` has no baseline at all, so that whoever has a baseline has this level. `time_of_day` also needs two
#: days: one does not tell how far the next one lies from it.
MIN_POINTS: dict[BaselineLevel, int] = {
    BaselineLevel.TIME_OF_WEEK: 8,
    BaselineLevel.TIME_OF_DAY: 8,
    BaselineLevel.OVERALL: 20,
}

#: One row per series, level and bucket. `mad` is the raw median absolute deviation, `std` that of a sample (n - 1), both of
#: the bucket's own points. `spread` and `robust_spread` are the standard error of a prediction made at `computed_at`
#: without trend, `degrees` the freedom of `spread`; `robust_spread` is 0 where half the history is one value. `age_days` is
#: how long before `computed_at` the bucket's points were on average; the level at t is expected at
#: mean + slope_per_day · (t - computed_at + age_days).
BASELINE_SCHEMA: dict[str, pl.DataType] = {
    "series_id": pl.Int64(),
    "level": LEVEL,
    "bucket": pl.Int16(),
    "points": pl.UInt32(),
    "mean": pl.Float64(),
    "std": pl.Float64(),
    "median": pl.Float64(),
    "mad": pl.Float64(),
    "spread": pl.Float64(),
    "robust_spread": pl.Float64(),
    "degrees": pl.Float64(),
    "slope_per_day": pl.Float64(),
    "slope_std": pl.Float64(),
    "age_days": pl.Float64(),
    "computed_at": TIMESTAMP,
}


def hour_of_week(captured_at: str = "captured_at") -> pl.Expr:
    """0 (Monday 00:00-00:59 UTC) to 167 (Sunday 23:00-23:59), as i16."""
    hours = pl.col(captured_at).to_physical() // _US_PER_HOUR
    return ((hours + _EPOCH_OFFSET_HOURS) % HOURS_PER_WEEK).cast(pl.Int16)


def hour_of_like_day(captured_at: str = "captured_at") -> pl.Expr:
    """0 to 23 UTC from Monday to Friday, 24 to 47 at the weekend, as i16."""
    hours = hour_of_week(captured_at)
    return (hours % HOURS_PER_DAY + HOURS_PER_DAY * (hours >= FIRST_WEEKEND_HOUR).cast(pl.Int16)).cast(pl.Int16)
