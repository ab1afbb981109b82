"""Login over HTTP on loopback at the stated argon2 cost, and what looking up the caller adds to a request."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np

from domain.access.permissions import Role
from resources.access.password_hashes import LANES, MEMORY_KIB, PASSES, PasswordHashes
from resources.control_plane import open_control_plane
from resources.settings import export_environment
from tests.benchmarks.platform_home import bench_platform
from tests.fakes.platform import Platform

TITLE = "Login"
CLIENTS, LOGINS, LOOKUPS = 4, 300, 500
TARGET_MS = 400.0
_PASSWORD = "four unrelated words"


def run() -> list[dict[str, Any]]:
    """Closed loop: each client sends its next login as soon as the one before is answered."""
    with bench_platform() as platform, _serving(platform) as address:
        _take(address, 8)
        began = time.perf_counter()
        with ThreadPoolExecutor(CLIENTS) as pool:
            took = np.concatenate(list(pool.map(lambda _: _take(address, LOGINS // CLIENTS), range(CLIENTS))))
        rate = took.size / (time.perf_counter() - began)
        added_ms = _lookup(address)
    p50, p99 = np.percentile(took, [50, 99])
    cost = f"argon2id m={MEMORY_KIB // 1024} MiB t={PASSES} p={LANES}: {_verify_ms():.0f} ms a verification"
    return [
        {
            "work": f"POST /api/v1/auth/login, {CLIENTS} clients at once, one process, {took.size} logins; {cost}",
            "ours": f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, {rate:.0f} logins/s",
            "peer": "-",
            "target": f"p99 < {TARGET_MS:.0f} ms",
            "met": bool(p99 < TARGET_MS),
        },
        {
            "work": "token, session and user checked at each request: median of GET /auth/me over that of /healthz",
            "ours": f"+{added_ms:.1f} ms",
            "peer": "-",
            "target": "-",
            "met": None,
        },
    ]


def _take(address: str, count: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Milliseconds of each of `count` logins."""
    took = np.empty(count)
    with httpx.Client(base_url=address, trust_env=False, timeout=30) as http:
        for number in range(count):
            began = time.perf_counter()
            answer = http.post("/api/v1/auth/login", json={"username": "bench", "password": _PASSWORD})
            took[number] = (time.perf_counter() - began) * 1000
            answer.raise_for_status()
    return took


def _lookup(address: str) -> float:
    with httpx.Client(base_url=address, trust_env=False, timeout=30) as http:
        login = http.post("/api/v1/auth/login", json={"username": "bench", "password": _PASSWORD}).json()
        asked = {"/api/v1/auth/me": {"Authorization": f"Bearer {login['accessToken']}"}, "/healthz": {}}
        medians = []
        for path, headers in asked.items():
            took = np.empty(LOOKUPS)
            for number in range(LOOKUPS):
                began = time.perf_counter()
                http.get(path, headers=headers).raise_for_status()
                took[number] = (time.perf_counter() - began) * 1000
            medians.append(float(np.median(took)))
    return medians[0] - medians[1]


def _verify_ms() -> float:
    hashes = PasswordHashes()
    took = []
    for _ in range(10):
        began = time.perf_counter()
        hashes.verify(None, _PASSWORD)
        took.append((time.perf_counter() - began) * 1000)
    return float(np.median(took))


@contextmanager
def _serving(platform: Platform) -> Iterator[str]:
    with open_control_plane(platform.settings, platform.url) as control:
        control.users.create("bench", Role.VIEWER, actor="bench", password=_PASSWORD)
        with control.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE users SET has_to_change_password = false")
            connection.exec_driver_sql("UPDATE rate_limits SET per_minute = 1000000")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    changed = {"api_port": port, "rate_limit_per_minute": 1_000_000}
    environment = export_environment(platform.settings.model_copy(update=changed))
    server = subprocess.Popen([sys.executable, "-m", "api"], env=environment, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        _await(address)
        yield address
    finally:
        os.kill(server.pid, signal.SIGTERM)
        server.wait(15)


def _await(address: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{address}/healthz", trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            continue
