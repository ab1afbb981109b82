"""The push API as a client meets it: a real server on loopback, and the lake behind it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from domain.loaders.definition import LoaderDefinition
from resources.capture.engine import CaptureContext
from resources.capture.service import capture
from resources.lake.maintenance import roll_up
from resources.loaders.versions import load_loader_versions
from resources.postgres.engine import make_engine
from resources.push_inbox import archive_pushed
from resources.secret_files import load_token
from resources.settings import export_environment
from tests.fakes.platform import Platform

DEADLINE_S = 60.0
LOADER = {
    "code": "DEMO-PUSH", "title": "t", "source": "push", "connection": "push", "schedule": "* * * * *", "step_s": 1,
    "push": [{"metric_name": "orders", "kind": "counter"}],
}  # fmt: skip


class Server:
    """`python -m api` on a free port."""

    def __init__(self, platform: Platform) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        settings = platform.settings.model_copy(update={"api_port": port})
        with (platform.settings.home / "api.log").open("w") as log:
            self.process = subprocess.Popen([sys.executable, "-m", "api"], env=export_environment(settings), stderr=log)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30)
        self.headers = {"Authorization": f"Bearer {load_token(platform.settings.home, 'push.token')}"}

    def wait(self) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while True:
            try:
                if self.client.get("/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                assert self.process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server does not answer"
            threading.Event().wait(0.05)

    def push(self, *signals: object, loader: str = "DEMO-PUSH", **headers: str) -> httpx.Response:
        return self.client.post(
            "/api/v1/signals",
            params={"loader_code": loader},
            json={"signals": signals},
            headers={**self.headers, **headers},
        )


@contextmanager
def serving(platform: Platform) -> Iterator[Server]:
    server = Server(platform)
    try:
        server.wait()
        yield server
    finally:
        server.client.close()
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(DEADLINE_S)


@pytest.fixture
def server(platform: Platform) -> Iterator[Server]:
    engine = make_engine(platform.url)
    load_loader_versions(platform.settings.home, engine).seed(
        [LoaderDefinition.model_validate(LOADER)], at=datetime.now(UTC)
    )
    engine.dispose()
    with serving(platform) as running:
        yield running


def row(value: object, *, seconds_ago: float = 60, **fields: object) -> dict[str, Any]:
    at = (datetime.now(UTC) - timedelta(seconds=seconds_ago)).isoformat()
    return {"metric_name": "orders", "labels": {"shop": "a"}, "metric_value": value, "captured_at": at, **fields}


def move(platform: Platform) -> None:
    """What the schedule does every minute."""
    run = capture(platform.settings, platform.url, platform.lake, CaptureContext(now=datetime.now(UTC)))
    assert not run.failed


def stored(platform: Platform) -> list[float]:
    return sorted(platform.lake.query("SELECT metric_value FROM signals_wide")["metric_value"].to_list())


@pytest.mark.requirement("A17")
def test_accepted_rows_reach_the_lake_and_every_stage_is_counted(server: Server, platform: Platform) -> None:
    answer = server.push(row(1), row("x"), row(2, metric_name="refunds"), row(3, seconds_ago=61))
    assert answer.status_code == 202
    body = answer.json()
    assert (body["received"], body["accepted"], body["isDuplicate"]) == (4, 2, False)
    assert [(one["row"], one["field"]) for one in body["refused"]] == [(1, "metric_value"), (2, "metric_name")]
    assert "orders" in body["refused"][1]["reason"]
    assert server.push(row("all bad")).status_code == 422
    move(platform)
    assert stored(platform) == [1.0, 3.0]

    def funnel() -> dict[str, int]:
        assert server.client.get("/api/v1/signals/funnel").status_code == 401
        rows = server.client.get("/api/v1/signals/funnel", headers=server.headers).json()
        assert {one["loader_code"] for one in rows} == {"DEMO-PUSH"}
        return {name: sum(one[name] for one in rows) for name in ("received", "validated", "persisted", "archived")}

    assert funnel() == {"received": 5, "validated": 2, "persisted": 2, "archived": 0}
    assert roll_up(platform.lake).reached_at is not None
    archive_pushed(platform.url, datetime.now(UTC), now=datetime.now(UTC))
    assert funnel() == {"received": 5, "validated": 2, "persisted": 2, "archived": 2}
    archive_pushed(platform.url, datetime.now(UTC), now=datetime.now(UTC))
    assert funnel()["archived"] == 2, "counted once"


@pytest.mark.requirement("A17")
@pytest.mark.requirement("B7")
def test_a_retry_adds_nothing_and_another_batch_is_no_retry(server: Server, platform: Platform) -> None:
    batch = [row(1), row(2, seconds_ago=61)]
    key = {"Idempotency-Key": "order-1"}
    assert server.push(*batch, **key).json()["isDuplicate"] is False
    assert server.push(*batch, **key).json()["isDuplicate"] is True
    move(platform)
    late = server.push(*batch, **key)
    assert (late.status_code, late.json()["isDuplicate"]) == (202, True), (
        "a retry after the batch was moved is still one"
    )
    assert server.push(*batch).json()["isDuplicate"] is False
    assert server.push(*batch).json()["isDuplicate"] is True, "without a key the content is the key"
    move(platform)
    assert stored(platform) == [1.0, 2.0]
    heartbeat = {"metric_name": "orders", "metric_value": 7}
    assert [server.push(heartbeat).json()["isDuplicate"] for _ in range(3)] == [False] * 3, "each is of its own instant"
    move(platform)
    assert stored(platform) == [1.0, 2.0, 7.0, 7.0, 7.0]


def test_every_refusal_is_a_problem_document_with_the_callers_correlation_id(server: Server) -> None:
    client, headers = server.client, {**server.headers, "X-Correlation-ID": "corr-42"}
    url = "/api/v1/signals?loader_code=DEMO-PUSH"
    good = {"signals": [row(1)]}
    wrong = {**headers, "Authorization": "Bearer ünknown".encode()}
    big = b'{"signals": [' + b" " * (33 * 2**20) + b"]}"
    many = {"signals": [row(1)] * 10_001}
    cases: list[tuple[Callable[[], httpx.Response], int, str, str]] = [
        (lambda: client.post(url, json=good, headers={**headers, "Authorization": ""}), 401, "NOT_AUTHENTICATED", "push.token"),
        (lambda: client.post(url, json=good, headers=wrong), 401, "NOT_AUTHENTICATED", "token"),
        (lambda: client.post("/api/v1/signals?loader_code=NOPE", json=good, headers=headers), 404, "NOT_FOUND", "DEMO-PUSH"),
        (lambda: client.post(url, content=big, headers=headers), 413, "BODY_TOO_LARGE", "smaller"),
        (lambda: client.post(url, json=many, headers=headers), 422, "INPUT_DATA_ERROR", "split"),
        (lambda: client.post(url, content=b"{", headers=headers), 422, "INPUT_DATA_ERROR", "signals"),
        (lambda: client.post(url, json={"signals": [row(None)]}, headers=headers), 422, "INPUT_DATA_ERROR", "again"),
        (lambda: client.post("/api/v1/signals", json=good, headers=headers), 422, "INPUT_DATA_ERROR", "openapi"),
        (lambda: client.post(url, json=good, headers={**headers, "Idempotency-Key": "a b"}), 422, "INPUT_DATA_ERROR", "openapi"),
        (lambda: client.get("/api/v1/nothing", headers=headers), 404, "NOT_FOUND", "openapi"),
        (lambda: client.put(url, headers=headers), 405, "METHOD_NOT_ALLOWED", "openapi"),
    ]  # fmt: skip
    for send, status, kind, hint in cases:
        answer = send()
        body = answer.json()
        assert (answer.status_code, body["errorType"], body["status"]) == (status, kind, status), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert {"type", "title", "detail", "reason", "suggestion"} <= body.keys()
        assert hint in body["suggestion"]
        assert answer.headers["x-correlation-id"] == body["correlationId"] == "corr-42"
    refused = client.post(url, json={"signals": [row(None), row(1, metric_name="x")]}, headers=headers).json()[
        "refused"
    ]
    assert [(one["row"], one["field"]) for one in refused] == [(0, "metric_value"), (1, "metric_name")]
    made = client.get("/healthz", headers={"X-Correlation-ID": "bad id\u00e9".encode()}).headers["x-correlation-id"]
    assert len(made) == 32, "what is no id is replaced by one"


@pytest.mark.requirement("A17")
def test_what_was_accepted_survives_kill_9_of_the_server(server: Server, platform: Platform) -> None:
    accepted: list[float] = []

    def push_until_it_dies() -> None:
        for value in range(100_000):
            try:
                if server.push(row(float(value), labels={"n": str(value)})).status_code == 202:
                    accepted.append(float(value))
            except httpx.TransportError:
                return

    client = threading.Thread(target=push_until_it_dies)
    client.start()
    deadline = time.monotonic() + DEADLINE_S
    while len(accepted) < 20:
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)
    os.kill(server.process.pid, signal.SIGKILL)
    client.join()
    move(platform)
    found = stored(platform)
    assert len(found) == len(set(found))
    assert set(accepted) <= set(found) <= {*accepted, max(accepted) + 1.0}
    with serving(platform) as again:
        assert again.push(row(-1.0)).status_code == 202
