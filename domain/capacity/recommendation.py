"""What to do about a gauge: grow it, and by when the order must be out; shrink it; or leave it alone."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import polars as pl

from domain.seasonality.regular_grid import Floats

#: A gauge whose 99th percentile of 30 days stays below this share of its limit is over-provisioned.
RIGHT_SIZE_BELOW = 0.4
#: Share of the limit that the highest expected level should use after scaling.
TARGET_USE = 0.8
#: A gauge less likely than this to reach the limit may be shrunk.
UNLIKELY = 0.05


class CapacityAdvice(StrEnum):
    """What is advised."""

    ALREADY_REACHED = "already_reached"
    SCALE_UP = "scale_up"
    RIGHT_SIZE = "right_size"
    KEEP = "keep"


def compute_peak_use(values: Floats, bin_s: Floats) -> Floats:
    """(n,) 99th percentile of the newest 30 days of each row."""
    age_s = (values.shape[1] - 1 - np.arange(values.shape[1]))[None, :] * bin_s[:, None]
    recent = np.where((age_s < 30 * 86_400) & ~np.isnan(values), values, np.nan)
    ordered = np.sort(recent, axis=1)
    count = (~np.isnan(recent)).sum(axis=1)
    rank = np.clip(np.ceil(0.99 * count).astype(np.int64) - 1, 0, None)
    return np.asarray(np.take_along_axis(ordered, rank[:, None], axis=1)[:, 0])


def add_recommendation(dates: pl.DataFrame) -> pl.DataFrame:
    """Add recommendation, capacity_factor and recommend_at.

    Args:
        dates: reaches_at, probability, current, limit_value, lead_time_days, peak_use, expected_peak, computed_at.

    Returns:
        recommendation (CapacityAdvice); capacity_factor: what the capacity should be multiplied by, so that the expected
        peak uses TARGET_USE of the limit, null for keep; recommend_at: the latest date to act, lead time before the limit,
        not before computed_at; null for keep and right_size.
    """
    use = pl.max_horizontal("peak_use", "expected_peak") / (TARGET_USE * pl.col("limit_value"))
    is_small = (pl.col("peak_use") < RIGHT_SIZE_BELOW * pl.col("limit_value")) & (pl.col("probability") < UNLIKELY)
    advice = (
        pl.when(pl.col("current") >= pl.col("limit_value"))
        .then(pl.lit(CapacityAdvice.ALREADY_REACHED.value))
        .when(pl.col("reaches_at").is_not_null())
        .then(pl.lit(CapacityAdvice.SCALE_UP.value))
        .when(is_small & (pl.col("limit_value") > 0))
        .then(pl.lit(CapacityAdvice.RIGHT_SIZE.value))
        .otherwise(pl.lit(CapacityAdvice.KEEP.value))
    )
    lead = pl.duration(seconds=(pl.col("lead_time_days") * 86_400).cast(pl.Int64))
    act_at = pl.max_horizontal(pl.col("reaches_at") - lead, pl.col("computed_at"))
    grows = pl.col("recommendation").is_in([CapacityAdvice.SCALE_UP.value, CapacityAdvice.ALREADY_REACHED.value])
    shrinks = pl.col("recommendation") == CapacityAdvice.RIGHT_SIZE.value
    factor = (
        pl.when(grows)
        .then(pl.max_horizontal(use, pl.lit(1.0)))
        .when(shrinks)
        .then(pl.max_horizontal(use, pl.lit(0.05)))
    )
    return dates.with_columns(recommendation=advice).with_columns(
        capacity_factor=factor, recommend_at=pl.when(grows).then(act_at)
    )
