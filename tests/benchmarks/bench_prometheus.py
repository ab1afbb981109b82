"""Prometheus range of 1,000 series × 2,000 points: our source against prometheus-api-client and its DataFrame.

Both ask the same real server for the same range, each in a process of its own, whose peak memory is reported. Time begins
before the first request and ends with the points in columns. Run alone: `python -m tests.benchmarks.bench_prometheus`.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.benchmarks.peak_memory import peak_mb
from tests.fakes.real_prometheus import is_installed, running_prometheus

TITLE = "Prometheus range into columns"
SERIES, POINTS, STEP_S = 1_000, 2_000, 60
T0 = 1_700_000_040
WORK = f"Prometheus range, {SERIES:,} series × {POINTS:,} points"
ROUNDS = 3


def write_history(path: Path) -> None:
    """OpenMetrics text of the benchmark: values with all their digits, as measured ones have."""
    numbers = random.Random(7)
    with path.open("w") as file:
        file.write("# TYPE load gauge\n")
        for number in range(SERIES):
            labels = f'service="svc-{number % 40}",pod="svc-{number % 40}-{number:05}",zone="z{number % 3}"'
            file.writelines(f"load{{{labels}}} {numbers.random() * 100!r} {T0 + STEP_S * k}\n" for k in range(POINTS))


@contextmanager
def serving_history() -> Iterator[str]:
    """The real server with the history of the benchmark."""
    folder = Path(tempfile.mkdtemp(prefix="etlmon-bench-"))
    try:
        write_history(folder / "text")
        with running_prometheus(folder, (folder / "text").read_text()) as url:
            yield url
    finally:
        shutil.rmtree(folder)


def fetch_ours(url: str) -> int:
    """Rows in columns, by our source."""
    from domain.loaders.definition import Connection, LoaderDefinition
    from resources.metrics_prometheus import PrometheusSource

    loader = LoaderDefinition.model_validate(
        {
            "code": "BENCH", "title": "b", "source": "prometheus", "connection": "p", "schedule": "* * * * *",
            "step_s": STEP_S, "timeout_s": 120, "prometheus": [{"metric_name": "load", "promql": "load"}],
        }
    )  # fmt: skip
    start = datetime.fromtimestamp(T0, UTC)
    end = start + timedelta(seconds=POINTS * STEP_S)
    answer = PrometheusSource().fetch(loader, Connection(url=url), start=start, end=end)
    return answer.points.height


def fetch_peer(url: str) -> int:
    """Rows in a DataFrame, by prometheus-api-client as its documentation shows it."""
    from prometheus_api_client import MetricRangeDataFrame, PrometheusConnect

    client = PrometheusConnect(url)
    end = datetime.fromtimestamp(T0 + (POINTS - 1) * STEP_S, UTC)
    found = client.custom_query_range("load", datetime.fromtimestamp(T0, UTC), end, str(STEP_S))
    return len(MetricRangeDataFrame(found))


def measure(who: str, url: str) -> dict[str, Any]:
    """Best of a few runs of one contender, each in its own process: seconds and peak memory in MB."""
    runs = []
    for _ in range(ROUNDS):
        command = [sys.executable, "-m", "tests.benchmarks.bench_prometheus", who, url]
        out = subprocess.run(command, capture_output=True, check=True, text=True, timeout=300).stdout
        runs.append(json.loads(out.splitlines()[-1]))
    return min(runs, key=lambda one: one["seconds"])


def run() -> list[dict[str, Any]]:
    """One row: ours and the peer in seconds, with peak memory; `met` is None where Prometheus is not installed."""
    if not is_installed():
        return [{"work": WORK, "ours": "-", "peer": "-", "target": "3× faster, < 1 GB", "met": None}]
    with serving_history() as url:
        ours, peer = measure("ours", url), measure("peer", url)
    return [
        {
            "work": WORK,
            "ours": f"{ours['seconds']:.2f} s, {ours['peak_mb']:.0f} MB",
            "peer": f"{peer['seconds']:.2f} s, {peer['peak_mb']:.0f} MB",
            "target": "3× faster, < 1 GB",
            "met": ours["seconds"] * 3 <= peer["seconds"] and ours["peak_mb"] < 1_000,
        }
    ]


def run_contender(who: str, url: str) -> None:
    """In the child process: fetch, then print seconds, rows and peak memory as JSON."""
    contender = {"ours": fetch_ours, "peer": fetch_peer}[who]
    for module in ("polars", "pandas", "prometheus_api_client", "resources.metrics_prometheus"):
        __import__(module)  # importing is not what is compared
    began_at = time.perf_counter()
    rows = contender(url)
    seconds = time.perf_counter() - began_at
    assert rows == SERIES * POINTS, rows
    peak = peak_mb()
    print(json.dumps({"seconds": seconds, "rows": rows, "peak_mb": peak}))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        run_contender(sys.argv[1], sys.argv[2])
    else:
        print(*run(), sep="\n")
