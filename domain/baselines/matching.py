"""Which baseline a point is judged by: the newest one computed before it, at the finest level that can answer."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from domain.baselines.levels import LEVEL, BaselineLevel, hour_of_like_day, hour_of_week

#: A spread below this share of the level is rounding error: the bucket is constant.
RELATIVE_ZERO = 1e-9
#: A baseline older than this no longer speaks for the present.
MAX_AGE = timedelta(days=14)

_BUCKET = {
    BaselineLevel.TIME_OF_WEEK: hour_of_week(),
    BaselineLevel.TIME_OF_DAY: hour_of_like_day(),
    BaselineLevel.OVERALL: pl.lit(0, pl.Int16),
}
_STATISTICS = (
    "points",
    "mean",
    "median",
    "spread",
    "robust_spread",
    "degrees",
    "slope_per_day",
    "slope_std",
    "age_days",
)


def match_baselines(points: pl.DataFrame, baselines: pl.DataFrame, *, max_age: timedelta = MAX_AGE) -> pl.DataFrame:
    """Every point with the statistics it is judged by.

    A point is judged only by baselines with `computed_at` at or before it, so it is never part of its own baseline; the
    newest one counts. A constant bucket of a fine level says nothing about spread and leaves the answer to the next
    level; only a constant `overall` answers, with spread zero.

    Args:
        points: POINTS_SCHEMA; null and non-finite values are left out.
        baselines: BASELINE_SCHEMA, of one or many `computed_at`; the level may be text.
        max_age: baselines older than this at the time of the point are not used.

    Returns:
        The points sorted by series and time, with level, points, mean and median carried forward to the time of the point by
        the trend of the series, spread and robust_spread with the uncertainty of that trend, degrees; null where nothing
        answers.

    """
    usable = points.select("series_id", "captured_at", "metric_value").filter(pl.col("metric_value").is_finite())
    overall = baselines.lazy().filter(pl.col("level") == BaselineLevel.OVERALL.value)
    versions = overall.select("series_id", "computed_at").unique().sort("computed_at").collect()
    pending = usable.sort("captured_at").join_asof(
        versions,
        left_on="captured_at",
        right_on="computed_at",
        by="series_id",
        tolerance=max_age,
        check_sortedness=False,
    )
    parts = []
    for level in BaselineLevel:
        keys = ["series_id", "computed_at", "bucket"]
        asked = pending.with_columns(bucket=_BUCKET[level])
        matched = asked.join(_answering(baselines, level, asked["bucket"]), on=keys, how="left")
        is_open = matched["points"].is_null()
        parts.append(matched.filter(~is_open).with_columns(level=pl.lit(level.value, LEVEL)))
        pending = pending.filter(is_open)
    unmatched = pending.with_columns(level=pl.lit(None, LEVEL))
    answered = pl.concat([*parts, unmatched], how="diagonal").with_columns(**_carried_forward())
    return answered.drop("bucket", "computed_at", "slope_per_day", "slope_std", "age_days").sort(
        "series_id", "captured_at"
    )


def _carried_forward() -> dict[str, pl.Expr]:
    days = (pl.col("captured_at") - pl.col("computed_at")).dt.total_microseconds() / 86_400e6 + pl.col("age_days")
    shift, doubt = pl.col("slope_per_day") * days, pl.col("slope_std") * days
    robust = pl.when(pl.col("robust_spread") > 0).then((pl.col("robust_spread") ** 2 + doubt**2).sqrt())
    return {
        "mean": pl.col("mean") + shift,
        "median": pl.col("median") + shift,
        "spread": (pl.col("spread") ** 2 + doubt**2).sqrt(),
        "robust_spread": robust.otherwise("robust_spread"),
    }


def _answering(baselines: pl.DataFrame, level: BaselineLevel, buckets: pl.Series) -> pl.DataFrame:
    rows = baselines.lazy().filter(pl.col("level") == level.value, pl.col("bucket").is_in(buckets.unique().to_list()))
    if level is not BaselineLevel.OVERALL:
        rows = rows.filter(pl.col("spread") > RELATIVE_ZERO * pl.col("mean").abs())
    return rows.select("series_id", "computed_at", "bucket", *_STATISTICS).collect()
