"""Control charts of the last two days in the lake (C2): what is out of control, and the newest state of every chart."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from domain.control_charts.all_charts import compute_control_charts
from resources.analytics.baselines import read_baselines
from resources.analytics.replacing import replace_since
from resources.lake.connection import Lake

SPAN = timedelta(hours=48)


def refresh_control_charts(lake: Lake, *, now: datetime) -> pl.DataFrame:
    """Run the charts over the last two days of every series and keep the telling rows; returns them."""
    since = now - SPAN
    points = lake.query("SELECT series_id, captured_at, metric_value FROM signals WHERE captured_at >= ?", [since])
    charts = compute_control_charts(points, read_baselines(lake, start=since, end=now))
    is_newest = pl.col("captured_at") == pl.col("captured_at").max().over("series_id", "chart")
    kept = charts.filter(pl.col("is_out_of_control") | is_newest).with_columns(computed_at=pl.lit(now))
    replace_since(lake, "control_charts", kept, column="captured_at", since=since)
    return kept
