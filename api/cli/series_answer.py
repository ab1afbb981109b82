"""What `etlmon score`, `forecast`, `capacity` and `templates` give back: rows to OUT or standard output, JSON for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from api.cli.series_file import survive_closed_pipe, write_frame

#: Rules of `api.cli.series_file`, for the help of each command that reads series.
RULES_OF_FILES = """Rules of FILE: csv, csv.gz or parquet by its name, comma-separated, UTF-8; columns timestamp, value and optionally
series, others are ignored. A time without a zone is UTC, zones may differ from row to row. Rows may be unsorted. An empty,
NaN, NA, null or infinite value is missing; a row without a series name belongs to the series without a name; blank lines
are left out. Text in the value column, a time that cannot be read, an empty file and one with a header alone are refused."""

AsJson = Annotated[
    bool,
    typer.Option("--json", help="With --out: a summary as JSON on stdout. Without: the rows, one JSON object a line."),
]


def give_rows(frame: pl.DataFrame, out: Path | None, *, as_json: bool, summary: dict[str, Any]) -> None:
    """Write the answer.

    Args:
        frame: the rows.
        out: file of the rows; None: standard output.
        as_json: see AsJson.
        summary: what a machine wants to know beside `rows` and `out`.
    """
    if out is None and as_json:
        with survive_closed_pipe():
            frame.write_ndjson(sys.stdout.buffer)
            sys.stdout.buffer.flush()
        return
    write_frame(frame, out)
    if as_json:
        print_summary(out, rows=frame.height, summary=summary)


def print_summary(out: Path | None, *, rows: int, summary: dict[str, Any]) -> None:
    """One JSON object on standard output."""
    print(json.dumps({"out": str(out), "rows": rows, **summary}, default=str))


def list_refusals(refused: pl.DataFrame, names: pl.DataFrame) -> list[dict[str, Any]]:
    """The series without an answer: series (null in a file without names) and reason."""
    listed = refused.join(names, on="series_id", how="left").sort("series_id")
    columns = [pl.col("series") if "series" in listed.columns else pl.lit(None).alias("series"), pl.col("reason")]
    return listed.select(columns).to_dicts()


def name_stage(show: Callable[[str, int, int], object], stage: str) -> Callable[[int, int], object]:
    """`show` of a `StageProgress`, for work that knows only (done, of all)."""
    return lambda done, total: show(stage, done, total)
