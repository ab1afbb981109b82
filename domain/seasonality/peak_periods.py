"""When load peaks: the hour of the day, or of the week, with the highest seasonal mean. Serves capacity planning (C4)."""

from __future__ import annotations

import polars as pl

PEAK_PERIODS_SCHEMA: dict[str, pl.DataType] = {
    "series_id": pl.Int64(),
    "cycle": pl.String(),
    "weekday": pl.Int8(),
    "hour": pl.Int8(),
    "peak_mean": pl.Float64(),
    "mean": pl.Float64(),
    "peak_ratio": pl.Float64(),
    "observations": pl.UInt32(),
}
MIN_OBSERVATIONS = 3


def compute_peak_periods(points: pl.DataFrame) -> pl.DataFrame:
    """The peak hour of every series within the day and within the week (UTC).

    Args:
        points: series_id, captured_at, metric_value; missing and infinite values are dropped.

    Returns:
        PEAK_PERIODS_SCHEMA with up to two rows per series: cycle `day` (weekday is null) and cycle `week` (weekday 1 is
        Monday). peak_ratio is peak_mean over mean, null when the mean is 0. An hour counts from MIN_OBSERVATIONS
        different days on; a series without such an hour has no row.
    """
    clean = points.lazy().filter(pl.col("metric_value").is_finite())
    hourly = clean.group_by("series_id", at=pl.col("captured_at").dt.truncate("1h")).agg(pl.col("metric_value").mean())
    placed = hourly.with_columns(weekday=pl.col("at").dt.weekday(), hour=pl.col("at").dt.hour())
    day = _find_peak(placed.with_columns(weekday=pl.lit(None, pl.Int8)), "day")
    return pl.concat([day, _find_peak(placed, "week")]).sort("series_id", "cycle").collect()


def _find_peak(placed: pl.LazyFrame, cycle: str) -> pl.LazyFrame:
    overall = placed.group_by("series_id").agg(mean=pl.col("metric_value").mean())
    slots = placed.group_by("series_id", "weekday", "hour").agg(
        peak_mean=pl.col("metric_value").mean(), observations=pl.len()
    )
    slots = slots.filter(pl.col("observations") >= MIN_OBSERVATIONS).sort("series_id", "weekday", "hour")
    best = slots.group_by("series_id").agg(pl.all().sort_by("peak_mean", descending=True, maintain_order=True).first())
    ratio = pl.when(pl.col("mean") != 0).then(pl.col("peak_mean") / pl.col("mean"))
    labelled = best.join(overall, on="series_id").with_columns(cycle=pl.lit(cycle), peak_ratio=ratio)
    return labelled.select(pl.col(name).cast(dtype) for name, dtype in PEAK_PERIODS_SCHEMA.items())
