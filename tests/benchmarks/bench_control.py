"""Control plane: the list of 5,000 loaders with versions over HTTP, requests arriving on a clock whatever the answers take."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

import numpy as np
import orjson
from sqlalchemy import text

from domain.access.permissions import Caller, Role
from domain.vocabulary import VersionState
from resources.control_plane import ControlPlane
from resources.postgres.engine import make_engine, transaction
from tests.benchmarks.platform_home import bench_platform
from tests.fakes.api_server import bearer_of, serving
from tests.fakes.platform import Platform
from tests.fakes.version_worlds import body

TITLE = "Control plane"
LOADERS, RATE, SECONDS, WORKERS = 5_000, 100, 20.0, 2
_BOB, _CID = Caller("bob", Role.OPERATOR), Caller("cid", Role.OPERATOR)
_QUERIES = (
    "",
    "?search=9",
    "?sort=-updated_at&limit=100",
    "?has_pending=true",
    "?offset=2500",
    "?state=ACTIVE&sort=title",
)


def run() -> list[dict[str, Any]]:
    """p50 and p99 of the list at a fixed rate, and the import of the loaders."""
    with bench_platform() as platform:
        imported = _fill(platform)
        latencies, failed, processes = _measure(platform)
    p50, p99 = (float(np.percentile(latencies, q)) for q in (50, 99))
    return [
        {
            "work": f"import of {LOADERS:,} loader definitions as PENDING, one transaction, audited",
            "ours": f"{imported:.1f} s",
            "peer": "-",
            "target": "a few seconds",
            "met": None,
        },
        {
            "work": f"list of {LOADERS:,} loaders with 3 versions each, {RATE} requests/s for {SECONDS:.0f} s, open loop, "
            f"{processes} API processes, JWT login, page of 100",
            "ours": f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, {len(latencies)} answered, {failed} failed",
            "peer": "-",
            "target": "p99 under 100 ms at 100 requests/s",
            "met": p99 < 100 and failed == 0,
        },
    ]


def _fill(platform: Platform) -> float:
    """Every loader with an archived, an ACTIVE and, every tenth, a PENDING version."""
    engine = make_engine(platform.url)
    loaders = ControlPlane(platform.settings, platform.url, engine).loaders
    took = 0.0
    for round_ in range(3):
        rows = [body(f"loader {n} round {round_}", code=f"BENCH-{n}") for n in range(LOADERS)]
        began = time.perf_counter()
        with transaction(engine) as connection:
            loaders.put_many(rows, caller=_BOB, target=VersionState.PENDING, connection=connection)
        took = took or time.perf_counter() - began
        with transaction(engine) as connection:  # what approval does, for all at once
            connection.execute(text("UPDATE loader_versions SET state = 'ARCHIVED' WHERE state = 'ACTIVE'"))
            connection.execute(
                text(
                    "UPDATE loader_versions SET state = 'ACTIVE', activated_at = now() WHERE state = 'PENDING'"
                    " AND (version < 3 OR right(code, 1) <> '0')"
                )
            )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()
    return took


def _measure(platform: Platform) -> tuple[list[float], int, int]:
    headers = bearer_of(platform, Role.OPERATOR)
    with serving(platform, api_workers=WORKERS, rate_limit_per_minute=1_000_000) as server:
        engine = make_engine(platform.url)
        with transaction(engine) as connection:
            connection.execute(text("UPDATE rate_limits SET per_minute = 1000000"))
        engine.dispose()
        plan = {"url": server.url, "headers": headers, "rate": RATE, "seconds": SECONDS, "queries": _QUERIES}
        client = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.open_loop"],
            input=orjson.dumps(plan),
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONPATH": "."},
        )
    found = orjson.loads(client.stdout)
    return found["latencies_ms"], found["failed"], WORKERS
