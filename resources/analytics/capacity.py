"""Capacity dates of every gauge that has a limit, from a month of hourly maxima (C6)."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
from threadpoolctl import threadpool_limits

from domain.capacity.capacity_dates import CapacityResult, compute_capacity
from resources.analytics.replacing import replace_all
from resources.lake.connection import Lake

_HISTORY_DAYS = 30


def refresh_capacity(lake: Lake, *, now: datetime) -> CapacityResult:
    """Compute all capacity dates anew; the ones before are replaced."""
    points = lake.query(
        "SELECT h.series_id, h.hour_at AS captured_at, h.maximum AS metric_value FROM signals_hourly AS h"
        " JOIN series AS s USING (series_id) WHERE s.limit_value IS NOT NULL AND h.hour_at >= ? AND h.hour_at < ?",
        [now - timedelta(days=_HISTORY_DAYS), now],
    )
    limits = lake.query("SELECT series_id, limit_value, lead_time_days FROM series WHERE limit_value IS NOT NULL")
    with threadpool_limits(1):  # BLAS threads spin on the small matrices of the path models
        result = compute_capacity(points, limits, as_of=now)
    replace_all(lake, "capacity", result.dates)
    replace_all(lake, "capacity_refusals", result.refused.with_columns(computed_at=pl.lit(now)))
    return result
