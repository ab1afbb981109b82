"""Instants written the way the timestamps of a file were written: naive stays naive, an offset stays that offset."""

from __future__ import annotations

import re

import polars as pl

_TEXT = re.compile(
    r"^\s*\d{4}-\d{2}-\d{2}"
    r"(?:(?P<separator>[T ])\d{2}:\d{2}(?P<seconds>:\d{2}([.,]\d+)?)?\s*(?P<zone>Z|[+-]\d{2}:?\d{2})?)?\s*$"
)


def render_like(instants: pl.Series, sample: pl.Series) -> pl.Series:
    """`instants` (Datetime UTC, nulls allowed) in the type and style of the first value of `sample`.

    Dates stay dates, and times without seconds stay so, as long as nothing is lost by it.
    """
    if sample.dtype == pl.Date:
        return instants.dt.date() if _is_whole(instants, "1d") else instants.dt.replace_time_zone(None)
    if isinstance(sample.dtype, pl.Datetime):
        zoned = instants.dt.cast_time_unit(sample.dtype.time_unit or "us")
        zone = sample.dtype.time_zone
        return zoned.dt.convert_time_zone(zone) if zone else zoned.dt.replace_time_zone(None)
    if sample.dtype != pl.String:
        return instants.dt.replace_time_zone(None)
    first = sample.drop_nulls().head(1).to_list()
    found = _TEXT.match(first[0]) if first else None
    return _render_text(instants, found.groupdict() if found else {"separator": " ", "seconds": ":00"})


def _render_text(instants: pl.Series, style: dict[str, str | None]) -> pl.Series:
    zone = style.get("zone") or ""
    shifted = (instants.dt.replace_time_zone(None).to_frame("at").select(pl.col("at") + _offset(zone)))["at"]
    if not style.get("separator") and _is_whole(shifted, "1d"):
        return shifted.dt.strftime("%Y-%m-%d")
    seconds = (
        "%H:%M" if style.get("separator") and not style.get("seconds") and _is_whole(shifted, "1m") else "%H:%M:%S"
    )
    fraction = "%.6f" if not _is_whole(shifted, "1s") else ""
    return shifted.dt.strftime(f"%Y-%m-%d{style.get('separator') or ' '}{seconds}{fraction}{zone}")


def _offset(zone: str) -> pl.Expr:
    if zone in {"", "Z"}:
        return pl.duration(minutes=0)
    digits = zone[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return pl.duration(minutes=-minutes if zone[0] == "-" else minutes)


def _is_whole(instants: pl.Series, unit: str) -> bool:
    return bool((instants.dt.truncate(unit) == instants).all())
