"""Taking incident periods out of history, so that an outage does not become normal."""

from __future__ import annotations

import polars as pl

from domain.signals import TIMESTAMP

#: series_id null: the period holds for every series. Both ends belong to the period; an end of null: it still lasts.
EXCLUDED_SCHEMA: dict[str, pl.DataType] = {"series_id": pl.Int64(), "started_at": TIMESTAMP, "ended_at": TIMESTAMP}


def drop_excluded(points: pl.DataFrame, excluded: pl.DataFrame) -> pl.DataFrame:
    """Points outside all periods, in their order. Periods may overlap; only series named in them are looked at."""
    periods = excluded.select(
        "series_id", "started_at", pl.col("ended_at").fill_null(pl.lit(points["captured_at"].max(), TIMESTAMP))
    )
    points = _outside(points, _merge(periods.filter(pl.col("series_id").is_null())), by=None)
    own = _merge(periods.filter(pl.col("series_id").is_not_null()))
    if own.is_empty():
        return points
    is_touched = points["series_id"].is_in(own["series_id"].unique().implode())
    order = points.with_row_index("row")
    kept = _outside(order.filter(is_touched), own, by="series_id")
    return pl.concat([order.filter(~is_touched), kept]).sort("row").drop("row")


def _merge(periods: pl.DataFrame) -> pl.DataFrame:
    # The furthest end so far makes an as-of join see through nested periods.
    return periods.sort("started_at").with_columns(pl.col("ended_at").cum_max().over("series_id"))


def _outside(points: pl.DataFrame, periods: pl.DataFrame, *, by: str | None) -> pl.DataFrame:
    if periods.is_empty() or points.is_empty():
        return points
    ends = periods.select([*([by] if by else []), "started_at", "ended_at"])
    ordered = points.with_row_index("position").sort("captured_at")
    joined = ordered.join_asof(
        ends, left_on="captured_at", right_on="started_at", by=by, strategy="backward", check_sortedness=False
    )
    is_inside = (pl.col("captured_at") <= pl.col("ended_at")).fill_null(value=False)
    return joined.filter(~is_inside).sort("position").select(points.columns)
