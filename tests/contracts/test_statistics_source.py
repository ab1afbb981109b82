"""What every `StatisticsSource` promises to capture, whatever is behind it: run on each adapter over a real protocol.

Each world holds the same truth: four services, one value per service and minute, value = minute + 1000 × service number.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
import requests
from osmem_server import OsmemServer

from domain.answers import ANSWER_POINTS_SCHEMA, LOG_LINES_SCHEMA, Answer
from domain.errors import ConfigurationError
from domain.loaders.definition import Connection, LoaderDefinition
from domain.vocabulary import SourceKind
from resources.sources import PooledSource, ping, source_for
from tests.fakes.faulty_http import Asked, FaultyHttp, Reply, reply_json, unused_port

T0 = 1_700_000_100
START = datetime.fromtimestamp(T0, UTC)
MINUTES, SERVICES = 60, 4


def _value(minute: int, service: int) -> int:
    return minute + 1_000 * service


@dataclass(frozen=True)
class World:
    """One adapter with a source behind it that holds the truth."""

    kind: SourceKind
    source: PooledSource
    connection: Connection
    queries: dict[str, Any]

    def fetch(self, first_minute: float = 0, last_minute: float = MINUTES, **changes: Any) -> Answer:
        """[first_minute, last_minute) of the truth, at a step of a minute."""
        body = {
            "code": "T-ANY",
            "title": "t",
            "source": self.kind,
            "connection": "c",
            "schedule": "* * * * *",
            "step_s": 60,
        }
        loader = LoaderDefinition.model_validate({**body, **self.queries, **changes})
        start, end = (START + timedelta(minutes=minute) for minute in (first_minute, last_minute))
        return self.source.fetch(loader, self.connection, start=start, end=end)


@contextmanager
def _prometheus(_: Path) -> Iterator[World]:
    """Evaluates its only query at every step, as the API does."""

    def answer(asked: Asked) -> Reply:
        if asked.path == "/api/v1/query":
            return reply_json(b'{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}')
        first, last, step = (float(asked.fields[name]) for name in ("start", "end", "step"))
        instants = [first + k * step for k in range(int((last - first) / step) + 1)]
        inside = [at for at in instants if T0 <= at < T0 + MINUTES * 60]
        series = [
            {
                "metric": {"__name__": "m", "service": f"s{service}", "zone": "z"},
                "values": [[at, str(_value(int(at - T0) // 60, service))] for at in inside],
            }
            for service in range(SERVICES)
        ]
        return reply_json(
            orjson.dumps({"status": "success", "data": {"resultType": "matrix", "result": series if inside else []}})
        )

    with FaultyHttp(answer) as server:
        query = {"metric_name": "m", "promql": "m", "labels": ["service"]}
        yield _world(SourceKind.PROMETHEUS, server.url, {"prometheus": [query]})


@contextmanager
def _elasticsearch(_: Path) -> Iterator[World]:
    with OsmemServer.start() as server:
        documents = [
            {"@timestamp": (T0 + 60 * minute) * 1_000, "service": f"s{service}", "value": _value(minute, service)}
            for minute in range(MINUTES)
            for service in range(SERVICES)
        ]
        lines = b"".join(b'{"index":{}}\n' + orjson.dumps(document) + b"\n" for document in documents)
        fields = {"@timestamp": {"type": "date"}, "service": {"type": "keyword"}, "value": {"type": "double"}}
        with requests.Session() as session:
            session.trust_env = False
            session.put(f"{server.url}/logs", json={"mappings": {"properties": fields}}, timeout=10).raise_for_status()
            headers = {"Content-Type": "application/x-ndjson"}
            session.post(
                f"{server.url}/logs/_bulk?refresh=true", data=lines, headers=headers, timeout=30
            ).raise_for_status()
        inner = {"value": {"max": {"field": "value"}}}
        service = {"service": {"terms": {"field": "service"}, "aggs": inner}}
        query = {"metric_name": "m", "index": "logs", "aggregations": service, "value": "value"}
        yield _world(SourceKind.ELASTICSEARCH, server.url, {"elasticsearch": [query]})
    assert server.process.stdout is not None
    server.process.stdout.close()


@contextmanager
def _sql(folder: Path) -> Iterator[World]:
    with sqlite3.connect(folder / "truth.db") as database:
        database.execute("CREATE TABLE m (at REAL, service TEXT, value REAL)")
        rows = [(T0 + 60 * m, f"s{s}", _value(m, s)) for m in range(MINUTES) for s in range(SERVICES)]
        database.executemany("INSERT INTO m VALUES (?, ?, ?)", rows)
    database.close()
    sql = "SELECT * FROM m WHERE at >= :window_start AND at < :window_end"
    query = {"metric_name": "m", "sql": sql, "time_column": "at", "dialect_time": "epoch_s"}
    yield _world(SourceKind.SQL, f"sqlite:///{folder}/truth.db", {"sql": [query]})


def _world(kind: SourceKind, url: str, queries: dict[str, Any]) -> World:
    return World(kind, source_for(kind), Connection(url=url), queries)


WORLDS: dict[SourceKind, Callable[[Path], Any]] = {
    SourceKind.PROMETHEUS: _prometheus,
    SourceKind.ELASTICSEARCH: _elasticsearch,
    SourceKind.SQL: _sql,
}


@pytest.fixture(params=list(WORLDS), ids=str)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with WORLDS[request.param](tmp_path) as world:
        yield world
        world.source.close()


def _truth(first_minute: int = 0, last_minute: int = MINUTES) -> dict[tuple[str, datetime], float]:
    return {
        (f"s{service}", START + timedelta(minutes=minute)): _value(minute, service)
        for minute in range(first_minute, last_minute)
        for service in range(SERVICES)
    }


def _table(answer: Answer) -> dict[tuple[str, datetime], float]:
    rows = answer.points.rows()
    table = {(answer.series[index].labels["service"], at): value for index, at, value in rows}
    assert len(table) == len(rows)
    return table


def test_the_truth_arrives_whole_and_in_the_promised_shape(world: World) -> None:
    answer = world.fetch()
    assert _table(answer) == _truth()
    assert answer.points.schema == pl.Schema(ANSWER_POINTS_SCHEMA)
    assert answer.log_lines.schema == pl.Schema(LOG_LINES_SCHEMA)
    assert [one.metric_name for one in answer.series] == ["m"] * SERVICES
    assert all(one.labels.keys() == {"service"} for one in answer.series)
    assert (answer.quarantined, answer.dropped_series, answer.batch_ids) == ([], 0, [])
    assert answer.requests >= 1


@pytest.mark.requirement("B6")
@pytest.mark.parametrize("cut", [1, 7, 30, 59])
def test_two_ranges_side_by_side_are_the_whole(world: World, cut: int) -> None:
    assert {**_table(world.fetch(0, cut)), **_table(world.fetch(cut, MINUTES))} == _table(world.fetch())


@pytest.mark.requirement("B6")
def test_the_same_range_gives_the_same_answer_whatever_was_asked_around_it(world: World) -> None:
    whole = _table(world.fetch(-10, MINUTES + 10))
    part = _table(world.fetch(20, 25))
    assert part == _truth(20, 25) == {key: value for key, value in whole.items() if key in part}
    assert _table(world.fetch(20, 25)) == part


def test_the_start_is_inside_and_the_end_is_not(world: World) -> None:
    assert {at for _, at in _table(world.fetch(5, 7))} == {START + timedelta(minutes=minute) for minute in (5, 6)}


def test_nothing_there_is_an_empty_answer_and_no_error(world: World) -> None:
    for answer in (world.fetch(-100, -50), world.fetch(5, 5)):
        assert answer.points.is_empty()
        assert answer.points.schema == pl.Schema(ANSWER_POINTS_SCHEMA)
        assert answer.quarantined == []


def test_two_queries_of_one_loader_are_two_metrics(world: World) -> None:
    [(name, [query])] = world.queries.items()
    answer = world.fetch(0, 2, **{name: [query, {**query, "metric_name": "other"}]})
    assert sorted({one.metric_name for one in answer.series}) == ["m", "other"]
    assert answer.points.height == 2 * 2 * SERVICES


def test_many_threads_may_ask_at_once(world: World) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda minute: world.fetch(minute, minute + 1), range(40)))
    assert {key: value for answer in answers for key, value in _table(answer).items()} == _truth(0, 40)


def test_a_ping_names_what_answered(world: World) -> None:
    result = ping(world.connection, world.kind, timeout_s=5)
    assert result.is_ok
    assert result.latency_ms > 0
    assert result.detail


def test_one_kind_has_one_instance(world: World) -> None:
    assert source_for(world.kind) is source_for(world.kind)


@pytest.mark.parametrize(
    ("kind", "scheme"),
    [(SourceKind.PROMETHEUS, "http"), (SourceKind.ELASTICSEARCH, "http"), (SourceKind.SQL, "postgresql")],
)
def test_a_ping_into_the_void_says_so_and_what_to_do(kind: SourceKind, scheme: str) -> None:
    result = ping(Connection(url=f"{scheme}://127.0.0.1:{unused_port()}"), kind, timeout_s=2)
    assert not result.is_ok
    assert "SOURCE_UNREACHABLE" in result.detail
    assert "check host, port" in result.detail


def test_pushed_signals_are_not_fetched_from_anywhere() -> None:
    with pytest.raises(ConfigurationError, match="push has nothing to be fetched from"):
        source_for(SourceKind.PUSH)
