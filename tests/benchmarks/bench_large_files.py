"""Ten million rows through the commands that read files: peak memory of the whole process."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

TITLE = "Large files"
SERIES, ROWS = 1000, 10_000
LIMIT_BYTES = 2e9
COMMANDS = (("score",), ("forecast", "--horizon", "24"), ("capacity", "--limit", "90"))
_CODE = """
import sys, time
from api.cli.main import main
began = time.perf_counter()
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
from tests.benchmarks.peak_memory import peak_mb
print(time.perf_counter() - began, peak_mb() * 2**20)
"""


def run() -> list[dict]:
    """One row per file and command, each in a process of its own, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        many, single = Path(folder) / "many.csv", Path(folder) / "single"
        write_series(many)
        sources = [(f"{SERIES:,} series of CSV", many)]
        sources += [(f"one series of {path.name.partition('.')[2]}", path) for path in write_single(single)]
        return [_measure(source, command, what) for what, source in sources for command in COMMANDS]


def write_series(path: Path, *, series: int = SERIES, rows: int = ROWS) -> None:
    """A season of a day in minutes, with noise."""
    start = datetime(2026, 3, 2)  # noqa: DTZ001
    at = pl.datetime_range(start, start + timedelta(minutes=rows - 1), "1m", eager=True).dt.strftime(
        "%Y-%m-%d %H:%M:%S"
    )
    season = 50 + 10 * np.sin(2 * np.pi * np.arange(rows) / 1440)
    values = season + np.random.default_rng(0).normal(0, 1, (series, rows))
    columns = {
        "series": np.repeat(np.arange(series), rows),
        "timestamp": pl.concat([at] * series),
        "value": values.ravel().round(3),
    }
    pl.DataFrame(columns).write_csv(path)


def write_single(stem: Path, *, rows: int = SERIES * ROWS) -> list[Path]:
    """One series of a value a minute for nineteen years, as csv.gz and as parquet."""
    start = datetime(2007, 3, 2)  # noqa: DTZ001
    at = pl.datetime_range(start, start + timedelta(minutes=rows - 1), "1m", eager=True)
    season = 50 + 10 * np.sin(2 * np.pi * np.arange(rows) / 1440)
    values = (season + np.random.default_rng(0).normal(0, 1, rows)).round(3)
    frame = pl.DataFrame({"timestamp": at, "value": values})
    packed, columnar = stem.with_suffix(".csv.gz"), stem.with_suffix(".parquet")
    text = frame.with_columns(pl.col("timestamp").dt.strftime("%Y-%m-%d %H:%M:%S"))
    text.write_csv(packed, compression="gzip", check_extension=False)
    frame.write_parquet(columnar)
    return [packed, columnar]


def _measure(source: Path, command: tuple[str, ...], what: str) -> dict:
    out = source.with_name("out.csv")
    arguments = [command[0], str(source), *command[1:], "-o", str(out)]
    done = subprocess.run(
        [sys.executable, "-c", _CODE, *arguments],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, peak_bytes = map(float, done.stdout.split())
    work = f"etlmon {command[0]}, {SERIES * ROWS:,} rows, {what}"
    return {
        "work": work,
        "ours": f"{peak_bytes / 1e9:.2f} GB, {seconds:.0f} s",
        "peer": "",
        "target": "under 2 GB",
        "met": peak_bytes < LIMIT_BYTES,
    }


if __name__ == "__main__":
    print(pl.DataFrame(run()).write_csv(separator="|"))
