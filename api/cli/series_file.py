"""The one way a command reads series from a file and writes its answer: csv, csv.gz or parquet by suffix.

Rules for score, forecast and capacity alike. Columns: `timestamp`, `value`, optional `series`; others are ignored. A
time without an offset is UTC; offsets may be mixed row by row; the output repeats the timestamps as they were written.
An empty, NaN, NA, null or infinite value is missing, not an error. Rows may be unsorted; rows of one series with
the same time keep the order of the file. Rows without a series name are one series. Blank lines are left out.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from api.cli.series_csv import load_csv
from api.cli.series_parquet import load_parquet
from domain.errors import InputDataError, StorageError

SUFFIXES = (".csv", ".csv.gz", ".parquet")


@dataclass(frozen=True, slots=True)
class SeriesFile:
    """Rows of a file, in the order they went in.

    Attributes:
        frame: row_id u32 (0, 1, ...), series_id i64 (0, 1, ... by first appearance), series (as in the file: text from
            CSV, the original type from Parquet; null without the column), timestamp Datetime[us, UTC], timestamp_text
            (the column as it was written: text from CSV, the original type from Parquet), value f64 or null, never NaN
            nor infinite.
        has_series: the file has a column `series`, so the output gets one too.
    """

    frame: pl.DataFrame
    has_series: bool

    def points(self) -> pl.DataFrame:
        """series_id, captured_at, metric_value and row_id, sorted by series, time and row; missing values are null."""
        return self.frame.select(
            "series_id", pl.col("timestamp").alias("captured_at"), pl.col("value").alias("metric_value"), "row_id"
        ).sort("series_id", "captured_at", "row_id")

    def heads(self) -> SeriesFile:
        """The first row of each series, copied, so that the rest of a large file can be let go once its points are taken."""
        first = self.frame.unique("series_id", keep="first", maintain_order=True)
        return SeriesFile(pl.DataFrame(first.to_dict(as_series=False), schema=first.schema), self.has_series)

    def names(self) -> pl.DataFrame:
        """series_id and series, one row per series; only series_id where the file has no column `series`."""
        columns = ["series_id", "series"] if self.has_series else ["series_id"]
        return self.frame.select(columns).unique("series_id", keep="first", maintain_order=True)


def load_series(path: Path) -> SeriesFile:
    """Read FILE. One row or all values missing is no error here; the estimators say what they need.

    Raises:
        InputDataError: no such file, unknown suffix, not text, empty, header only, wrong separator or columns, text in
            the value column, a timestamp that cannot be read; with the line number where there is one.
    """
    if not path.is_file():
        raise InputDataError(
            f"{path}: no such file", suggestion="check the path; FILE is csv, csv.gz or parquet", file=str(path)
        )
    if path.stat().st_size == 0:
        raise InputDataError(f"{path}: the file is empty", suggestion="a file needs a header and rows", file=str(path))
    columns = load_parquet(path) if _suffix(path) == ".parquet" else load_csv(path)
    if columns.height == 0:
        raise InputDataError(f"{path}: a header, but no rows", suggestion="give at least one row", file=str(path))
    return _number(columns)


def write_frame(frame: pl.DataFrame, out: Path | None) -> None:
    """Write an answer to `out` by its suffix, whole or not at all; as CSV to standard output when `out` is None.

    Raises:
        InputDataError: unknown suffix or a folder that does not exist; call `check_out` before long work.
        StorageError: no space or no permission.
    """
    if out is None:
        with survive_closed_pipe():
            frame.write_csv(sys.stdout.buffer)
            sys.stdout.buffer.flush()
        return
    check_out(out)
    part = out.with_name(f".{out.name}.part")
    try:
        if _suffix(out) == ".parquet":
            frame.write_parquet(part)
        else:
            gzipped = _suffix(out) == ".csv.gz"
            frame.write_csv(part, compression="gzip" if gzipped else "uncompressed", check_extension=False)
        part.replace(out)
    except OSError as error:
        reason = f"{out}: cannot be written ({error})"
        raise StorageError(reason, suggestion="check free space and permissions of the folder", file=str(out)) from None
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def survive_closed_pipe() -> Iterator[None]:
    """A reader of standard output that has seen enough, `head` for one, is no failure."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EPIPE and "Broken pipe" not in str(error):
            raise
        # The interpreter must not complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def check_out(out: Path | None) -> None:
    """Refuse an output path that could not be written, before hours of work are spent.

    Raises:
        InputDataError: unknown suffix or a folder that does not exist.
    """
    if out is None:
        return
    _suffix(out)
    if not out.parent.is_dir():
        raise InputDataError(f"{out}: no such folder", suggestion=f"create {out.parent} first", file=str(out))


def _suffix(path: Path) -> str:
    name = path.name.lower()
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            return suffix
    raise InputDataError(
        f"{path}: the name does not say what the file is", suggestion=f"end it in {', '.join(SUFFIXES)}", file=str(path)
    )


def _number(columns: pl.DataFrame) -> SeriesFile:
    has_series = "series" in columns.columns
    if has_series:
        series_id = columns["series"].rank("dense").fill_null(0).cast(pl.Int64)
        order = (
            pl.DataFrame({"key": series_id})
            .unique("key", keep="first", maintain_order=True)
            .with_row_index("series_id")
        )
        series_id = series_id.replace_strict(order["key"], order["series_id"].cast(pl.Int64))
    else:
        series_id = pl.zeros(columns.height, pl.Int64, eager=True)
        columns = columns.with_columns(series=pl.lit(None, pl.String))
    frame = columns.with_columns(series_id=series_id).with_row_index("row_id")
    return SeriesFile(
        frame=frame.select("row_id", "series_id", "series", "timestamp", "timestamp_text", "value"),
        has_series=has_series,
    )
