"""Capture end to end: a large Prometheus range into the lake, and 200 due loaders in one run, against the real server."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from domain.loaders.definition import LoaderDefinition
from resources.capture.engine import CaptureContext, CaptureEngine
from resources.postgres.loaders_repository import ActiveLoader
from resources.sources import source_for
from tests.benchmarks.bench_prometheus import POINTS, SERIES, STEP_S, T0, measure, serving_history
from tests.benchmarks.peak_memory import peak_mb
from tests.benchmarks.platform_home import bench_platform
from tests.fakes.real_prometheus import is_installed, running_prometheus

TITLE = "Capture into the lake"
LOADERS = 200


def _loader(code: str, url: str, promql: str, **changes: Any) -> ActiveLoader:
    body = {
        "code": code,
        "title": code,
        "source": "prometheus",
        "connection": {"url": url},
        "schedule": "*/5 * * * *",
        "step_s": STEP_S,
        "timeout_s": 120,
        "prometheus": [{"metric_name": "load", "promql": promql}],
    }
    return ActiveLoader(LoaderDefinition.model_validate({**body, **changes}), 1)


def capture_range(url: str) -> dict[str, Any]:
    """In a process of its own: the whole range into a fresh lake; seconds, rows and peak memory."""
    start = datetime.fromtimestamp(T0, UTC)
    end = start + timedelta(seconds=POINTS * STEP_S)
    with bench_platform() as platform:
        engine = CaptureEngine(platform.lake, platform.url, sources=source_for, connections={})
        loader = _loader("BENCH-RANGE", url, "load", schedule="* * * * *")
        began = time.perf_counter()
        run = engine.capture_range([loader], CaptureContext(now=end + timedelta(hours=1)), start=start, end=end)
        seconds = time.perf_counter() - began
        stored = platform.lake.query("SELECT count(*) AS n FROM signals")["n"][0]
    assert not run.failed
    return {"seconds": seconds, "rows": stored, "peak_mb": peak_mb()}


def capture_many(url: str, now: datetime) -> float:
    """Seconds of one run with 200 due loaders."""
    with bench_platform() as platform:
        engine = CaptureEngine(platform.lake, platform.url, sources=source_for, connections={})
        loaders = [
            _loader(f"BENCH-{k:03}", url, f'rate(work_total{{shard="{k % 50}"}}[5m])', history_s=300)
            for k in range(LOADERS)
        ]
        began = time.perf_counter()
        run = engine.capture_due(loaders, CaptureContext(now=now))
        seconds = time.perf_counter() - began
        assert not run.failed
        assert sum(one.windows for one in run.outcomes.values()) >= LOADERS
        assert run.signals >= LOADERS * 5
    return seconds


def run() -> list[dict[str, Any]]:
    """Two rows; `met` is None where Prometheus is not installed."""
    if not is_installed():
        return [{"work": TITLE, "ours": "Prometheus is not installed", "peer": "-", "target": "3× faster", "met": None}]
    with serving_history() as url:
        command = [sys.executable, "-m", "tests.benchmarks.bench_capture", url]
        out = subprocess.run(command, capture_output=True, check=True, text=True, timeout=600).stdout
        ours, peer = json.loads(out.splitlines()[-1]), measure("peer", url)
    seconds = _run_many()
    return [
        {
            "work": f"Prometheus range, {SERIES:,} series × {POINTS:,} points, into the lake",
            "ours": f"{ours['seconds']:.1f} s, {ours['peak_mb']:,.0f} MB, {ours['rows']:,} rows stored",
            "peer": f"{peer['seconds']:.1f} s, {peer['peak_mb']:,.0f} MB, nothing stored",
            "target": "3× faster, < 1 GB",
            "met": ours["seconds"] * 3 <= peer["seconds"] and ours["peak_mb"] < 1000,
        },
        {
            "work": f"{LOADERS} due loaders, one run, one Prometheus",
            "ours": f"{seconds:.1f} s",
            "peer": "-",
            "target": "< 15 s",
            "met": seconds < 15,
        },
    ]


def _run_many() -> float:
    folder = Path(tempfile.mkdtemp(prefix="etlmon-bench-"))
    now = datetime.now(UTC).replace(second=45, microsecond=0) - timedelta(hours=3)
    try:
        first = int(now.timestamp()) - 3600
        lines = ["# TYPE work counter\n"]
        for shard in range(50):
            for pod in range(5):
                labels = f'shard="{shard}",pod="{pod}"'
                lines += [f"work_total{{{labels}}} {k * 30 + pod} {first + 30 * k}\n" for k in range(130)]
        with running_prometheus(folder, "".join(lines)) as url:
            return capture_many(url, now)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    print(json.dumps(capture_range(sys.argv[1])))
