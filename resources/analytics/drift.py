"""Control charts of the last two days in the lake (C2): what is out of control, and the newest state of every chart."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from domain.baselines.exclusions import drop_excluded
from domain.control_charts.all_charts import compute_control_charts
from resources.analytics.baselines import read_excluded
from resources.analytics.replacing import replace_since
from resources.lake.connection import Lake

SPAN = timedelta(hours=48)
#: The stretch before, from which each series' memory and distribution are learnt; incident periods in it are left out.
REFERENCE = timedelta(days=7)
#: Bounds the memory: points and baselines of this many series are held at once.
SERIES_AT_ONCE = 1000


def refresh_control_charts(lake: Lake, *, now: datetime) -> pl.DataFrame:
    """Run the charts over the last two days of every series and keep the telling rows; returns them."""
    since = now - SPAN
    series = lake.query("SELECT DISTINCT series_id FROM signals WHERE captured_at >= ? ORDER BY series_id", [since])
    ids, excluded = series["series_id"].to_list(), read_excluded(lake)
    blocks = [ids[first : first + SERIES_AT_ONCE] for first in range(0, len(ids), SERIES_AT_ONCE)]
    parts = [_chart_series(lake, block, since=since, excluded=excluded) for block in blocks or [[]]]
    kept = pl.concat(parts).with_columns(computed_at=pl.lit(now))
    replace_since(lake, "control_charts", kept, column="captured_at", since=since)
    return kept


def _chart_series(lake: Lake, ids: list[int], *, since: datetime, excluded: pl.DataFrame) -> pl.DataFrame:
    start = since - REFERENCE
    span = [min(ids, default=0), max(ids, default=-1)]
    points = lake.query(
        "SELECT series_id, captured_at, metric_value FROM signals WHERE captured_at >= ? AND series_id BETWEEN ? AND ?",
        [start, *span],
    )
    baselines = lake.query(
        """
        SELECT * FROM baselines WHERE series_id BETWEEN ? AND ?
          AND computed_at >= coalesce((SELECT max(computed_at) FROM baselines WHERE computed_at <= ?), '1970-01-01')
        """,
        [*span, start],
    )
    past = points.filter(pl.col("captured_at") < since)
    calm = drop_excluded(past, excluded) if excluded.height and past.height else past
    charted = points.filter(pl.col("captured_at") >= since)
    charts = compute_control_charts(pl.concat([calm, charted]), baselines, since=since)
    is_newest = pl.col("captured_at") == pl.col("captured_at").max().over("series_id", "chart")
    return charts.filter(pl.col("is_out_of_control") | is_newest)
