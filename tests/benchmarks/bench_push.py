"""Push API over HTTP on loopback: batches of 1,000 signals from four clients, each answered only when it is durable."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import orjson

from domain.loaders.definition import LoaderDefinition
from resources.capture.engine import CaptureContext
from resources.capture.service import capture
from resources.clock import utc_now
from resources.loaders.versions import load_loader_versions
from resources.postgres.engine import make_engine
from resources.secret_files import load_token
from resources.settings import export_environment
from tests.benchmarks.platform_home import bench_platform
from tests.fakes.platform import Platform

TITLE = "Push API"
BATCH, CLIENTS, SECONDS = 1_000, 4, 20.0
_LOADER = {
    "code": "BENCH-PUSH",
    "title": "b",
    "source": "push",
    "connection": "push",
    "schedule": "* * * * *",
    "step_s": 60,
    "accepts_any_metric": True,
}


def _batches(client: int) -> list[bytes]:
    """A minute of distinct batches, made beforehand so that the client's own work is not measured."""
    now = utc_now()
    return [
        orjson.dumps(
            {
                "signals": [
                    {
                        "metric_name": "rows_written",
                        "labels": {"service": f"s{client}", "loader": f"l{k % 100}"},
                        "metric_value": k * 1.5,
                        "captured_at": (now - timedelta(seconds=number * 100 + k // 100)).isoformat(),
                    }
                    for k in range(BATCH)
                ]
            }
        )
        for number in range(60)
    ]


def _push(address: str, token: str, client: int, until: float) -> int:
    bodies, sent = _batches(client), 0
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(timeout=30, trust_env=False, headers=headers) as http:
        while time.perf_counter() < until:
            key = {"Idempotency-Key": f"{client}-{sent}"}
            answer = http.post(
                address, params={"loader_code": "BENCH-PUSH"}, content=bodies[sent % len(bodies)], headers=key
            )
            answer.raise_for_status()
            sent += 1
    return sent * BATCH


def run() -> list[dict[str, Any]]:
    """Sustained acceptance, and the time capture then needs to move everything into the lake."""
    with bench_platform() as platform:
        engine = make_engine(platform.url)
        load_loader_versions(platform.settings.home, engine).seed(
            [LoaderDefinition.model_validate(_LOADER)], at=utc_now()
        )
        engine.dispose()
        accepted, seconds = _sustain(platform)
        began = time.perf_counter()
        drained = capture(platform.settings, platform.url, platform.lake, CaptureContext(now=utc_now()))
        took = time.perf_counter() - began
        assert not drained.failed
        rate = accepted / seconds
    return [
        {
            "work": f"push API, batches of {BATCH:,}, {CLIENTS} clients, {seconds:.0f} s",
            "ours": f"{rate:,.0f} signals/s durable; then moved into the lake in {took:.1f} s",
            "peer": "-",
            "target": "20,000 signals/s",
            "met": rate >= 20_000,
        }
    ]


def _sustain(platform: Platform) -> tuple[int, float]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = export_environment(platform.settings.model_copy(update={"api_port": port}))
    server = subprocess.Popen([sys.executable, "-m", "api"], env=environment, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{address}/readyz", trust_env=False).status_code == 200:
                    break
            except httpx.HTTPError:
                continue
        token = load_token(platform.settings.home, "push.token")
        began = time.perf_counter()
        with ThreadPoolExecutor(CLIENTS) as pool:
            sent = [pool.submit(_push, f"{address}/api/v1/signals", token, k, began + SECONDS) for k in range(CLIENTS)]
            accepted = sum(one.result() for one in sent)
        return accepted, time.perf_counter() - began
    finally:
        os.kill(server.pid, signal.SIGTERM)
        server.wait(15)
