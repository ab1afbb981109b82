"""CSV of series into typed columns, with an error that names line and text where a row cannot be read.

Everything is read as text and converted by us, so that a bad value is a sentence and not a silent null. The happy path
stays inside polars; the exact line is looked for only once something is wrong.
"""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import Any

import polars as pl

from api.cli.timestamps import parse_timestamps
from domain.errors import InputDataError

#: Lower-case spellings of "no value"; the empty field is one too.
MISSING = ("", "nan", "na", "n/a", "null", "none")
#: The limit of the csv module is 128 kB; there is none here.
LONGEST_FIELD = 2**31 - 1
_ROW = "__row"


def load_csv(path: Path) -> pl.DataFrame:
    """Columns [series], timestamp, timestamp_text, value; blank lines are left out.

    Raises:
        InputDataError: see `api.cli.series_file.load_series`.
    """
    header = _read_header(path)
    names = {name.strip(): name for name in header}
    _check_header(path, header, set(names))
    rows = _collect(path, names)
    _raise_on_bad_value(path, rows)
    timestamps = parse_timestamps(rows["timestamp_text"])
    if timestamps.null_count():
        first = rows.filter(timestamps.is_null()).row(0, named=True)
        text = first["timestamp_text"] or ""
        raise _line_error(
            path,
            first[_ROW],
            f"the timestamp {text[:80]!r} cannot be read",
            "write 2026-01-31 13:45:00, UTC, or with an offset such as +02:00",
        )
    return rows.with_columns(timestamp=timestamps).drop(_ROW, "bad_value")


def _collect(path: Path, names: dict[str, str]) -> pl.DataFrame:
    text = pl.col(names["value"]).str.strip_chars()
    number = text.cast(pl.Float64, strict=False)
    is_bad = (number.is_null() & text.is_not_null() & ~text.str.to_lowercase().is_in(MISSING)).fill_null(value=False)
    columns = [
        pl.col(_ROW),
        pl.col(names["timestamp"]).str.strip_chars().alias("timestamp_text"),
        pl.when(number.is_finite()).then(number).alias("value"),
        pl.when(is_bad).then(text).alias("bad_value"),
    ]
    is_blank = pl.col(names["timestamp"]).is_null() & pl.col(names["value"]).is_null()
    if "series" in names:
        columns.append(pl.col(names["series"]).alias("series"))
        is_blank &= pl.col(names["series"]).is_null()
    scan = pl.scan_csv(path, infer_schema=False, row_index_name=_ROW, glob=False)
    try:
        return scan.filter(~is_blank).select(columns).collect(engine="streaming")
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _explain(path, error) from None


def _read_header(path: Path) -> list[str]:
    try:
        with _open(path) as lines:
            head: bytes = lines.read(1 << 16)
    except (OSError, EOFError) as error:
        raise InputDataError(
            f"{path}: cannot be decompressed ({error})", suggestion="check that the file is complete", file=str(path)
        ) from None
    if b"\0" in head:
        raise _not_text(path)
    try:
        text = head.decode("utf-8-sig", errors="strict" if len(head) < 1 << 16 else "ignore")
    except UnicodeDecodeError:
        raise _not_text(path) from None
    first = next((line for line in text.splitlines() if line.strip()), "")
    if not first:
        raise InputDataError(f"{path}: the file is empty", suggestion="a file needs a header and rows", file=str(path))
    return next(csv.reader([first]))


def _check_header(path: Path, header: list[str], names: set[str]) -> None:
    if {"timestamp", "value"} <= names:
        return
    found = ", ".join(name.strip()[:40] for name in header[:20])
    separator = next((c for c in ";\t|" if len(header) == 1 and c in header[0]), None)
    if separator is not None:
        reason, suggestion = f"the columns are separated by {separator!r}", "separate them by commas"
    else:
        reason, suggestion = f"found the columns {found}", "name them timestamp, value and, for many series, series"
    raise InputDataError(
        f"{path}: {reason}; expected timestamp, value[, series]", suggestion=suggestion, file=str(path), line=1
    )


def _raise_on_bad_value(path: Path, rows: pl.DataFrame) -> None:
    if rows["bad_value"].null_count() == rows.height:
        return
    first = rows.filter(pl.col("bad_value").is_not_null()).row(0, named=True)
    reason = f"the value {first['bad_value'][:80]!r} is not a number"
    raise _line_error(path, first[_ROW], reason, "write a number with a decimal point, or leave the field empty")


def _line_error(path: Path, row: int, reason: str, suggestion: str) -> InputDataError:
    line = _line_of(path, row)
    return InputDataError(f"{path}, line {line}: {reason}", suggestion=suggestion, file=str(path), line=line)


def _line_of(path: Path, row: int) -> int:
    """Line of the row-th data row; differs from row + 2 where a quoted field spans lines."""
    with _open(path) as raw:
        reader = _read_fields(raw)
        for index, _ in enumerate(reader):
            if index == row + 1:
                return int(reader.line_num)
    return row + 2


def _explain(path: Path, error: Exception) -> InputDataError:
    text = " ".join(str(error).split())
    if "utf-8" in text.lower():
        return _not_text(path)
    if "more fields" in text:
        return _ragged(path)
    return InputDataError(
        f"{path}: not readable as CSV ({text[:160]})",
        suggestion="check quotes and that the file is complete",
        file=str(path),
    )


def _ragged(path: Path) -> InputDataError:
    with _open(path) as raw:
        reader = _read_fields(raw)
        width = len(next(reader))
        line = next((reader.line_num for row in reader if len(row) > width), None)
    reason = f"{path}, line {line}: more fields than the header has columns"
    return InputDataError(reason, suggestion="quote fields that contain a comma", file=str(path), line=line)


def _read_fields(raw: Any) -> Any:
    """A csv reader of the rows with their line numbers; one field may be as long as the file."""
    csv.field_size_limit(LONGEST_FIELD)
    return csv.reader(line.decode("utf-8", errors="replace") for line in raw)


def _not_text(path: Path) -> InputDataError:
    return InputDataError(
        f"{path}: not a text file in UTF-8", suggestion="give csv, csv.gz or parquet, and name it so", file=str(path)
    )


def _open(path: Path) -> Any:
    return gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb")
