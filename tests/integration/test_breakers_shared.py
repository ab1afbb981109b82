"""Circuit breakers as two processes meet them: shared through PostgreSQL, reset by an admin, told by the ledger (A14)."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection as Pipe
from typing import Any

import pytest

from domain.access.permissions import Role
from domain.errors import SourceError
from domain.loaders.definition import Connection, LoaderDefinition
from resources.breakers import process_breakers
from resources.breakers_postgres import shared_breakers
from resources.capture.engine import CaptureContext
from resources.capture.service import capture
from resources.clock import utc_now
from resources.loaders.versions import load_loader_versions
from resources.metrics_prometheus import PrometheusSource
from resources.postgres.engine import make_engine
from resources.postgres.url import DatabaseUrl
from resources.settings import Settings
from tests.fakes.api_server import bearer_of, serving, until
from tests.fakes.faulty_http import Asked, FaultyHttp, Reply, reply_json
from tests.fakes.platform import Platform

pytestmark = pytest.mark.requirement("A14")
EMPTY = '{"status":"success","data":{"resultType":"matrix","result":[]}}'
START = datetime(2026, 3, 10, tzinfo=UTC)
LOADER: dict[str, Any] = {
    "code": "DEMO-A", "title": "a", "source": "prometheus", "connection": "p", "schedule": "* * * * *", "step_s": 60,
    "prometheus": [{"metric_name": "requests", "promql": "up"}], "timeout_s": 5, "history_s": 120,
}  # fmt: skip


class Sick:
    """A server that is ill until it is healed."""

    def __init__(self) -> None:
        self.is_ill = True

    def answer(self, _: Asked) -> Reply:
        return reply_json("{}", status=500) if self.is_ill else reply_json(EMPTY)


@pytest.fixture
def sick() -> Iterator[tuple[Sick, FaultyHttp]]:
    behaviour = Sick()
    with FaultyHttp(behaviour.answer) as server:
        yield behaviour, server


def ask(url: str) -> str:
    """One fetch of one loader; the type of its error, or `ok`."""
    source = PrometheusSource()
    try:
        source.fetch(
            LoaderDefinition.model_validate(LOADER),
            Connection(url=url),
            start=START,
            end=START + timedelta(minutes=5),
        )
    except SourceError as error:
        return error.error_type
    finally:
        source.close()
    return "ok"


def other_process(pipe: Pipe, settings: Settings, url: DatabaseUrl, server: str) -> None:
    """Asks whenever it is told to, and says what came of it."""
    with shared_breakers(settings, url):
        while pipe.recv() == "ask":
            pipe.send(ask(server))


class Other:
    """The other process, spoken to through a pipe."""

    def __init__(self, settings: Settings, url: DatabaseUrl, server: str) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=other_process, args=(theirs, settings, url, server))
        self._process.start()

    def ask(self) -> str:
        self._pipe.send("ask")
        return str(self._pipe.recv())

    def end(self) -> None:
        self._pipe.send("end")
        self._process.join(30)


def test_what_one_process_learns_holds_in_the_other_within_a_second(
    platform: Platform, sick: tuple[Sick, FaultyHttp]
) -> None:
    behaviour, server = sick
    settings = platform.settings.model_copy(update={"breaker_wait_s": 1.0})
    other = Other(settings, platform.url, server.url)
    try:
        assert other.ask() == "SOURCE_FAILED"
        with shared_breakers(settings, platform.url):
            for _ in range(4):
                ask(server.url)
            sent = len(server.asked)
            assert ask(server.url) == "CIRCUIT_OPEN"
            until(lambda: other.ask() == "CIRCUIT_OPEN", deadline_s=1.0)
            assert len(server.asked) <= sent + 3, "nothing reaches the server while it is open, but the first look"
            behaviour.is_ill = False
            until(lambda: other.ask() == "ok", deadline_s=5.0)
            until(lambda: ask(server.url) == "ok", deadline_s=5.0)
    finally:
        other.end()


def test_capture_leaves_the_windows_due_and_the_ledger_says_when_it_tries_again(
    platform: Platform, sick: tuple[Sick, FaultyHttp]
) -> None:
    behaviour, server = sick
    engine = make_engine(platform.url)
    definitions = [
        LoaderDefinition.model_validate({**LOADER, "code": f"DEMO-{k}", "connection": {"url": server.url}})
        for k in range(6)
    ]
    load_loader_versions(platform.settings.home, engine).seed(definitions, at=utc_now())
    engine.dispose()
    now = utc_now()
    settings = platform.settings.model_copy(update={"capture_concurrency": 1, "breaker_wait_s": 0.5})
    first = capture(settings, platform.url, platform.lake, CaptureContext(now=now))
    kinds = {one.error.error_type for one in first.failed if one.error}
    assert kinds == {"SOURCE_FAILED", "CIRCUIT_OPEN"}
    rows = platform.lake.query(
        "SELECT DISTINCT error_type, reason FROM capture_ledger WHERE error_type = 'CIRCUIT_OPEN'"
    )
    assert rows.height >= 1
    assert "the next try is at" in rows["reason"][0]
    assert "HTTP 500" in rows["reason"][0]
    behaviour.is_ill = False

    def recovered() -> bool:
        run = capture(settings, platform.url, platform.lake, CaptureContext(now=now))
        return not run.failed

    until(recovered, deadline_s=20.0)
    missing = platform.lake.query("SELECT count(*) AS n FROM capture_ledger WHERE outcome = 'missing'")["n"][0]
    assert missing == 0, "the windows stayed due and were captured"


def test_a_database_that_is_away_stops_no_call(platform: Platform) -> None:
    nowhere = DatabaseUrl.parse("postgresql://nobody@127.0.0.1:1/nothing")
    with FaultyHttp(lambda _: reply_json(EMPTY)) as server, shared_breakers(platform.settings, nowhere):
        assert [ask(server.url) for _ in range(3)] == ["ok"] * 3


def test_an_admin_sees_and_resets_them_and_the_audit_knows(platform: Platform, sick: tuple[Sick, FaultyHttp]) -> None:
    _, server = sick
    with serving(platform) as api, shared_breakers(platform.settings, platform.url):
        admin, operator, viewer = (bearer_of(platform, role) for role in Role)
        for _ in range(5):
            ask(server.url)
        (found,) = api.client.get("/api/v1/breakers", headers=operator).json()["items"]
        assert found["name"] == f"prometheus {server.url}"
        assert (found["state"], found["failureRatePct"], found["timesOpened"]) == ("OPEN", 100.0, 1)
        assert "HTTP 500" in found["lastError"]
        assert datetime.fromisoformat(found["retryAt"]) > utc_now()
        path = f"/api/v1/breakers/{found['id']}/reset"
        assert api.client.get("/api/v1/breakers", headers=viewer).status_code == 403
        assert api.client.post(path, headers=operator).status_code == 403
        assert api.client.post("/api/v1/breakers/000000000000/reset", headers=admin).status_code == 404
        done = api.client.post(path, headers=admin)
        assert (done.status_code, done.json()["state"], done.json()["resetBy"]) == (200, "CLOSED", "admin")
        until(lambda: ask(server.url) == "SOURCE_FAILED", deadline_s=1.0)
        engine = make_engine(platform.url)
        with engine.connect() as connection:
            entry = connection.exec_driver_sql(
                "SELECT actor, resource_id, before, after FROM audit_entries WHERE action = 'breaker.reset'"
            ).one()
        engine.dispose()
        assert tuple(entry) == ("admin", found["name"], {"state": "OPEN"}, {"state": "CLOSED"})
    assert not process_breakers().has_store
