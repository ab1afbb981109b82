"""What arrived in the signals since a mark, cut into spans of whole days that fit into memory."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from resources.lake.connection import Lake

_SIGNALS_AT_ONCE = 1_000_000


def read_arrivals(lake: Lake, mark: datetime) -> tuple[list[tuple[datetime, datetime]], datetime | None]:
    """First and last instant of each span, oldest first, and the newest ingestion; none and None when nothing arrived."""
    arrived = lake.query(
        "SELECT date_trunc('day', captured_at) AS day, count(*) AS signals, min(captured_at) AS low, max(captured_at) AS high,"
        " max(ingested_at) AS newest FROM signals WHERE ingested_at > ? GROUP BY 1 ORDER BY 1",
        [mark],
    )
    part = (pl.col("signals").cum_sum() - pl.col("signals")) // _SIGNALS_AT_ONCE
    spans = arrived.group_by(part.alias("part")).agg(pl.col("low").min(), pl.col("high").max()).sort("part")
    newest = arrived["newest"].max()
    return spans.select("low", "high").rows(), newest if isinstance(newest, datetime) else None
