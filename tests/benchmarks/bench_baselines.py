"""Time-of-week baselines of 10,000 series × 7 days × 5 minutes, read from Parquet by DuckDB, beside SQL and pandas."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.benchmarks.peak_memory import peak_mb

TITLE = "Baselines"
SERIES, ROWS = 10_000, 2016
START = datetime(2026, 3, 2, tzinfo=UTC)
READ = "SELECT series_id, captured_at, metric_value FROM read_parquet('{path}')"
#: What DuckDB needs for the finest level alone; ours has two levels more.
SQL = """
SELECT series_id, (epoch_us(captured_at) // 3600000000 + 72) % 168 AS bucket, count(*), avg(metric_value),
       stddev_samp(metric_value), median(metric_value), mad(metric_value)
FROM read_parquet('{path}') GROUP BY ALL
"""


def write_points(path: Path, *, series: int = SERIES, rows: int = ROWS) -> None:
    """A daily pattern with noise, sorted by series and time."""
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(0)
    at = np.arange(rows) * 300_000_000 + int(START.timestamp() * 1e6)
    values = 50 + 10 * np.sin(2 * np.pi * np.arange(rows) / 288) + rng.normal(0, 1, (series, rows))
    columns = {"series_id": np.repeat(np.arange(series), rows), "captured_at": np.tile(at, series)}
    frame = pl.DataFrame({**columns, "metric_value": values.ravel()})
    frame.with_columns(pl.col("captured_at").cast(pl.Datetime("us", "UTC"))).write_parquet(path)


def measure(path: str, way: str) -> None:
    """Run in a process of its own, so that its peak memory is its own; prints seconds and megabytes."""
    import duckdb

    from domain.baselines.time_of_week import compute_baselines

    connection = duckdb.connect()
    connection.execute("SET threads = 2; SET memory_limit = '2GB'; SET enable_progress_bar = false")
    started = time.perf_counter()
    if way == "ours":
        compute_baselines(connection.execute(READ.format(path=path)).pl(), as_of=START + timedelta(days=7))
    elif way == "duckdb":
        connection.execute(SQL.format(path=path)).pl()
    else:
        frame = connection.execute(READ.format(path=path)).df()
        hour = frame["captured_at"].dt.dayofweek * 24 + frame["captured_at"].dt.hour
        groups = frame.groupby([frame["series_id"], hour])["metric_value"]
        groups.agg(["count", "mean", "std", "median"])
    peak = peak_mb()
    print(time.perf_counter() - started, peak)


def run() -> list[dict]:
    """Three processes on the same file."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "points.parquet"
        code = "from tests.benchmarks.bench_baselines import *; from pathlib import Path; import sys; "
        _python(f"{code} write_points(Path(sys.argv[1]))", str(path))
        for way in ("ours", "duckdb", "pandas"):
            text = _python(f"{code} measure(*sys.argv[1:])", str(path), way)
            found[way] = tuple(map(float, text.split()))
    seconds, peak_mb = found["ours"]
    peers = "; ".join(f"{way} {found[way][0]:.1f} s, {found[way][1] / 1024:.1f} GB" for way in ("duckdb", "pandas"))
    return [
        {
            "work": f"time-of-week baselines, {SERIES:,} series × 7 days × 5 min, read from Parquet",
            "ours": f"{seconds:.1f} s, {peak_mb / 1024:.1f} GB (three levels)",
            "peer": f"{peers} (one level; pandas without MAD)",
            "target": "under 5 s, under 3 GB",
            "met": seconds < 5 and peak_mb < 3 * 1024,
        }
    ]


def _python(code: str, *arguments: str) -> str:
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=root, capture_output=True, text=True, check=True
    )
    return done.stdout
