"""Columns of a SQL answer → rows of series: types of drivers translated to numbers, instants and label texts.

Whole columns at a time; only a page that mixes types is looked at value by value. NULL as value is passed on as NaN, to be
judged with all other NaN; NULL as label is an absent label.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Literal

import polars as pl

from domain.errors import SourceQueryError

DialectTime = Literal["aware", "naive_utc", "epoch_s"]


def parse_numbers(values: Sequence[Any]) -> pl.Series:
    """Float64; NULL is NaN, and null stands where a value is no number (text, bytes, a date)."""
    try:
        column = pl.Series(values, strict=True)
        if column.dtype.is_numeric() or column.dtype in {pl.Boolean, pl.Null}:
            return column.cast(pl.Float64).fill_null(float("nan"))
    except (TypeError, OverflowError, pl.exceptions.PolarsError):
        pass
    return pl.Series([_number(value) for value in values], dtype=pl.Float64)


def parse_instants(values: Sequence[Any], *, dialect_time: DialectTime) -> pl.Series:
    """Int64 microseconds since 1970; null where there is no instant.

    Raises:
        SourceQueryError: instants without a time zone although `dialect_time` promises aware ones.
    """
    if dialect_time == "epoch_s":
        return (parse_numbers(values).fill_nan(None) * 1e6).round().cast(pl.Int64, strict=False)
    parsed = [_instant(value) for value in values]
    if dialect_time == "aware" and any(at is not None and at.tzinfo is None for at in parsed):
        raise SourceQueryError(
            "the time column has instants without a time zone",
            suggestion="set dialect_time: naive_utc if they are UTC, or convert them in the query",
        )
    aware = [at if at is None or at.tzinfo else at.replace(tzinfo=UTC) for at in parsed]
    return pl.Series(aware, dtype=pl.Datetime("us", "UTC")).cast(pl.Int64)


def parse_label_texts(values: Sequence[Any]) -> pl.Series:
    """String; null where the label is absent."""
    try:
        return pl.Series(values, dtype=pl.String, strict=True)
    except (TypeError, pl.exceptions.PolarsError):
        return pl.Series([_text(value) for value in values], dtype=pl.String)


def _number(value: Any) -> float | None:
    if value is None:
        return float("nan")
    return float(value) if isinstance(value, (int, float, Decimal)) else None


def _instant(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time())
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return None
    return None


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if isinstance(value, (datetime, date, time)) else str(value)
