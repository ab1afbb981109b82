"""Capacity dates of every gauge that has a limit, from half a year of hourly maxima (C6)."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
from threadpoolctl import threadpool_limits

from domain.capacity.capacity_dates import CapacityResult, compute_capacity
from domain.capacity.levels import MIN_BINS
from resources.analytics.replacing import replace_all
from resources.lake.connection import Lake

#: Modelled paths need 57 days at least for the default horizon, and get better with more.
HISTORY_DAYS = 180
#: Hours of the newest MIN_BINS days from which on a gauge has hours throughout, so that folding keeps its usual step.
_DENSE_HOURS = 240

# The estimator works on days where there are MIN_BINS of them, counted back from the newest value. Older days are therefore
# handed over as one value each: 10,000 gauges are 6 million rows instead of 43, and the answer is the same.
_POINTS = f"""
WITH hourly AS (
    SELECT h.series_id, h.hour_at, h.maximum FROM signals_hourly AS h JOIN series AS s USING (series_id)
    WHERE s.limit_value IS NOT NULL AND h.hour_at >= ? AND h.hour_at < ? AND isfinite(h.maximum)),
newest AS (SELECT series_id, max(hour_at) AS newest_at FROM hourly GROUP BY series_id),
aged AS (
    SELECT series_id, hour_at, maximum, newest_at, (epoch_us(newest_at) - epoch_us(hour_at)) // 86_400_000_000 AS age_days
    FROM hourly JOIN newest USING (series_id)),
dense AS (
    SELECT series_id FROM aged WHERE age_days < {MIN_BINS} GROUP BY series_id HAVING count(*) >= {_DENSE_HOURS})
SELECT series_id, hour_at AS captured_at, maximum AS metric_value FROM aged
WHERE age_days < {MIN_BINS} OR series_id NOT IN (SELECT series_id FROM dense)
UNION ALL
SELECT series_id, newest_at - to_hours(24 * age_days), max(maximum) FROM aged SEMI JOIN dense USING (series_id)
WHERE age_days >= {MIN_BINS} GROUP BY series_id, newest_at, age_days
"""


def refresh_capacity(lake: Lake, *, now: datetime) -> CapacityResult:
    """Compute all capacity dates anew; the ones before are replaced."""
    points = lake.query(_POINTS, [now - timedelta(days=HISTORY_DAYS), now])
    limits = lake.query("SELECT series_id, limit_value, lead_time_days FROM series WHERE limit_value IS NOT NULL")
    with threadpool_limits(1):  # BLAS threads spin on the small matrices of the path models
        result = compute_capacity(points, limits, as_of=now)
    replace_all(lake, "capacity", result.dates)
    replace_all(lake, "capacity_refusals", result.refused.with_columns(computed_at=pl.lit(now)))
    return result
