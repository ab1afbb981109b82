"""Parquet of series into typed columns.

Timestamps may be datetimes of any unit and zone, dates or ISO text; values any number.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from api.cli.timestamps import parse_timestamps
from domain.errors import InputDataError
from domain.signals import TIMESTAMP


def load_parquet(path: Path) -> pl.DataFrame:
    """Columns [series], timestamp, timestamp_text (the column as it is in the file), value.

    Raises:
        InputDataError: not Parquet, columns missing or of a type that holds no times or numbers, a row without a time.
    """
    try:
        schema = pl.read_parquet_schema(path)
        _check_columns(path, schema)
        raw = pl.read_parquet(
            path, columns=[name for name in ("series", "timestamp", "value") if name in schema], glob=False
        )
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = f"{path}: not readable as Parquet ({' '.join(str(error).split())[:160]})"
        raise InputDataError(reason, suggestion="check that the file is complete", file=str(path)) from None
    number = raw["value"].cast(pl.Float64)
    rows = raw.with_columns(
        timestamp=_instants(raw["timestamp"]),
        timestamp_text=raw["timestamp"],
        value=pl.select(pl.when(number.is_finite()).then(number)).to_series(),
    )
    if rows["timestamp"].null_count():
        row = int(rows["timestamp"].is_null().arg_true()[0])
        reason = f"{path}, row {row + 1}: the timestamp {raw['timestamp'][row]!r} cannot be read"
        raise InputDataError(reason, suggestion="give every row a time", file=str(path), row=row + 1)
    return rows


def _check_columns(path: Path, schema: dict[str, pl.DataType]) -> None:
    found = ", ".join(f"{name} ({dtype})" for name, dtype in list(schema.items())[:20])
    is_usable = (
        {"timestamp", "value"} <= set(schema)
        and (schema["timestamp"] == pl.String or schema["timestamp"].is_temporal())
        and schema["timestamp"] not in (pl.Time, pl.Duration)
        and (schema["value"].is_numeric() or schema["value"] == pl.Null)
    )
    if not is_usable:
        raise InputDataError(
            f"{path}: found the columns {found}; expected timestamp, value[, series]",
            suggestion="timestamp holds datetimes or ISO text, value numbers",
            file=str(path),
        )


def _instants(column: pl.Series) -> pl.Series:
    if column.dtype == pl.String:
        return parse_timestamps(column.str.strip_chars())
    if isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone is not None:
        return column.dt.convert_time_zone("UTC").cast(TIMESTAMP)
    return column.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
