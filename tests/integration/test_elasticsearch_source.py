"""The Elasticsearch source against a real server that speaks its API (osmem): nothing truncated, nothing invented."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import polars as pl
import pytest
import requests
from osmem_server import OsmemServer

from domain.answers import ANSWER_POINTS_SCHEMA, LOG_LINES_SCHEMA, Answer
from domain.errors import SourceQueryError
from domain.loaders.definition import Connection, LoaderDefinition
from resources.logs_elasticsearch import ElasticsearchSource
from tests.fakes.faulty_http import Asked, FaultyHttp, Reply, reply_json

pytestmark = pytest.mark.requirement("B2")

T0 = 1_700_000_100  # a multiple of 300 s
START = datetime.fromtimestamp(T0, UTC)
HOUR = timedelta(hours=1)
ODD = 'quo"te back\\slash new\nline λ🦀'
SERVICES = ["auth", "gateway", "loader"]


def _documents() -> list[dict[str, Any]]:
    random.seed(5)
    documents = []
    for k in range(7_200):
        service = {"service": {"name": SERVICES[k % 3]}} if k % 10 else {}
        documents.append(
            {
                "@timestamp": (T0 + k) * 1_000,
                **service,
                "log": {"level": "ERROR" if k % 4 == 0 else "INFO"},
                "pod": f"pod-{k % 2_000}",
                "latency": float(k % 100),
                "message": f"request {k} took {k % 100} ms",
                "correlationId": f"c{k}",
            }
        )
    return documents


MAPPING = {
    "properties": {
        "@timestamp": {"type": "date"},
        "service": {"properties": {"name": {"type": "keyword"}}},
        "log": {"properties": {"level": {"type": "keyword"}}},
        "pod": {"type": "keyword"},
        "tag": {"type": "keyword"},
        "latency": {"type": "double"},
        "message": {"type": "text"},
        "correlationId": {"type": "keyword"},
    }
}


def _index(url: str, name: str, documents: list[dict[str, Any]]) -> None:
    session = requests.Session()
    session.trust_env = False
    session.put(f"{url}/{name}", json={"mappings": MAPPING}, timeout=10).raise_for_status()
    lines = b"".join(
        orjson.dumps({"index": {"_id": str(k)}}) + b"\n" + orjson.dumps(document) + b"\n"
        for k, document in enumerate(documents)
    )
    headers = {"Content-Type": "application/x-ndjson"}
    session.post(f"{url}/{name}/_bulk?refresh=true", data=lines, headers=headers, timeout=60).raise_for_status()
    session.close()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with OsmemServer.start() as running:
        _index(running.url, "logs", _documents())
        odd = [
            {"@timestamp": T0 * 1_000, "tag": ODD, "latency": 1},
            {"@timestamp": T0 * 1_000, "tag": "L" * 30_000, "latency": 2},
            {"@timestamp": "2023-11-14T22:15:00.123Z", "service.name": "flat", "log.level": "WARN", "message": ODD},
            {"@timestamp": T0 * 1_000 + 500, "message": "without fields"},
            {"@timestamp": T0 * 1_000 + 600, "message": "bare", "service": {"name": "s"}, "log": {"level": ["E", "F"]}},
        ]
        _index(running.url, "odd", odd)
        yield running.url
    assert running.process.stdout is not None
    running.process.stdout.close()


Fetch = Callable[..., Answer]


@pytest.fixture
def fetch(server: str) -> Fetch:
    source = ElasticsearchSource()

    def ask(
        *,
        start: datetime = START,
        end: datetime = START + HOUR,
        url: str = server,
        lines: Any = None,
        limits: Any = None,
        **query: Any,
    ) -> Answer:
        body = {
            "code": "T-ES",
            "title": "t",
            "source": "elasticsearch",
            "connection": "e",
            "schedule": "* * * * *",
            "step_s": 300,
        }
        if lines is not None:
            body["log_lines"] = [{"index": "logs", **lines}]
        else:
            body["elasticsearch"] = [{"metric_name": "m", "index": "logs", **query}]
        loader = LoaderDefinition.model_validate({**body, **(limits or {})})
        return source.fetch(loader, Connection(url=url), start=start, end=end)

    return ask


def _table(answer: Answer) -> dict[tuple[tuple[tuple[str, str], ...], int], float]:
    labels = [tuple(sorted(one.labels.items())) for one in answer.series]
    rows = answer.points.rows()
    table = {(labels[index], round(at.timestamp()) - T0): value for index, at, value in rows}
    assert len(table) == len(rows)
    return table


def _expected(
    key: Callable[[int], dict[str, str]],
    *,
    seconds: int = 3_600,
    step: int = 300,
    only: Callable[[int], bool] = lambda _: True,
) -> Any:
    return Counter((tuple(sorted(key(k).items())), k // step * step) for k in range(seconds) if only(k))


def _service(k: int) -> str:
    return SERVICES[k % 3] if k % 10 else "(none)"


def test_error_count_by_service_every_five_minutes(fetch: Fetch) -> None:
    answer = fetch(
        query={"term": {"log.level": "ERROR"}}, aggregations={"service": {"terms": {"field": "service.name"}}}
    )
    assert answer.points.schema == pl.Schema(ANSWER_POINTS_SCHEMA)
    assert _table(answer) == _expected(lambda k: {"service": _service(k)}, only=lambda k: k % 4 == 0)


def test_without_aggregations_documents_are_counted_per_step(fetch: Fetch) -> None:
    answer = fetch(start=START + timedelta(seconds=7), end=START + timedelta(seconds=607))
    assert _table(answer) == {((), 7): 300, ((), 307): 300}
    assert [one.labels for one in answer.series] == [{}]


def test_far_more_than_10_000_buckets_are_paged_without_losing_one(fetch: Fetch) -> None:
    answer = fetch(
        aggregations={"pod": {"terms": {"field": "pod"}, "aggs": {"level": {"terms": {"field": "log.level"}}}}},
        end=START + 2 * HOUR,
        limits={"step_s": 10},
    )
    levels = {0: "ERROR"}
    expected = _expected(
        lambda k: {"pod": f"pod-{k % 2_000}", "level": levels.get(k % 4, "INFO")}, seconds=7_200, step=10
    )
    assert _table(answer) == expected
    assert answer.points.height == 7_200
    assert answer.requests == 2


def test_many_pages_make_the_same_answer_as_one_range(fetch: Fetch) -> None:
    aggregations = {"pod": {"terms": {"field": "pod"}, "aggs": {"level": {"terms": {"field": "log.level"}}}}}
    whole = fetch(aggregations=aggregations, end=START + 2 * HOUR)
    first, second = (
        fetch(aggregations=aggregations),
        fetch(aggregations=aggregations, start=START + HOUR, end=START + 2 * HOUR),
    )
    assert _table(whole) == {**_table(first), **_table(second)}


def test_a_percentile_is_picked_by_its_key_and_scaled(fetch: Fetch) -> None:
    latency = {"latency": {"percentiles": {"field": "latency", "percents": [50, 99]}}}
    answer = fetch(
        aggregations={"service": {"terms": {"field": "service.name"}, "aggs": latency}},
        value="latency.99.0",
        scale=0.001,
    )
    assert {one.labels["service"] for one in answer.series} == {*SERVICES, "(none)"}
    worst = {0.09 if labels == (("service", "(none)"),) else 0.099 for labels, _ in _table(answer)}
    assert set(answer.points["metric_value"].round(3)) == worst


@pytest.mark.parametrize(
    ("aggregation", "value", "expected"),
    [
        ({"avg": {"field": "latency"}}, "x", 49.5),
        ({"stats": {"field": "latency"}}, "x.max", 99),
        ({"cardinality": {"field": "service.name"}}, "x", 3),
        ({"value_count": {"field": "service.name"}}, "x", 270),
        ({"filter": {"term": {"log.level": "ERROR"}}}, "x", 75),
        ({"filter": {"term": {"log.level": "ERROR"}}, "aggs": {"y": {"max": {"field": "latency"}}}}, "x.y", 96),
        ({"missing": {"field": "service.name"}}, "x", 30),
        ({"filters": {"filters": {"bad": {"term": {"log.level": "ERROR"}}}}}, "x.bad", 75),
        ({"percentile_ranks": {"field": "latency", "values": [49.5]}}, "x.49.5", 50),
        ({"sum": {"field": "nowhere"}}, "x", 0),
    ],
)
def test_any_metric_aggregation_becomes_the_value(fetch: Fetch, aggregation: Any, value: str, expected: float) -> None:
    answer = fetch(aggregations={"x": aggregation}, value=value)
    assert [one.labels for one in answer.series] == [{}]
    assert answer.points["metric_value"].to_list() == [pytest.approx(expected, rel=0.02)] * 12


def test_an_average_of_nothing_is_no_point(fetch: Fetch) -> None:
    assert fetch(aggregations={"x": {"avg": {"field": "nowhere"}}}, value="x").points.is_empty()


def test_filters_and_ranges_become_labels(fetch: Fetch) -> None:
    kinds = {"filters": {"filters": {"bad": {"term": {"log.level": "ERROR"}}, "all": {"match_all": {}}}}}
    table = _table(fetch(aggregations={"kind": kinds}, end=START + timedelta(minutes=5)))
    assert table == {((("kind", "all"),), 0): 300, ((("kind", "bad"),), 0): 75}
    spans = {"range": {"field": "latency", "ranges": [{"key": "fast", "to": 50}, {"key": "slow", "from": 50}]}}
    speed = {"speed": {**spans, "aggs": {"worst": {"max": {"field": "latency"}}}}}
    table = _table(fetch(aggregations=speed, value="worst", end=START + timedelta(minutes=5)))
    assert table == {((("speed", "fast"),), 0): 49, ((("speed", "slow"),), 0): 99}


def test_a_size_given_by_the_user_is_a_top_n_of_each_bucket(fetch: Fetch) -> None:
    top = {"pod": {"terms": {"field": "pod", "size": 3}}}
    answer = fetch(
        aggregations={"service": {"terms": {"field": "service.name"}, "aggs": top}}, end=START + timedelta(minutes=10)
    )
    assert answer.points.height == 2 * 4 * 3


def test_terms_with_a_neighbour_are_not_cut_at_the_server_s_default_of_ten(fetch: Fetch) -> None:
    two = {"pod": {"terms": {"field": "pod"}}, "level": {"terms": {"field": "log.level"}}}
    answer = fetch(aggregations=two, end=START + timedelta(minutes=5))
    assert sum("pod" in one.labels for one in answer.series) == 300
    assert sum("level" in one.labels for one in answer.series) == 2


def test_a_histogram_and_a_named_missing_value_become_labels(fetch: Fetch) -> None:
    inner = {"service": {"terms": {"field": "service.name", "missing": "unknown"}}}
    outer = {"band": {"histogram": {"field": "latency", "interval": 50, "min_doc_count": 0}, "aggs": inner}}
    answer = fetch(aggregations=outer, end=START + timedelta(minutes=5))
    assert {one.labels["band"] for one in answer.series} == {"0.0", "50.0"}
    assert {one.labels["service"] for one in answer.series} == {*SERVICES, "unknown"}
    assert answer.points["metric_value"].sum() == 300


def test_the_user_s_own_time_axis_is_replaced_by_that_of_the_loader(fetch: Fetch) -> None:
    axis = {
        "date_histogram": {"field": "@timestamp", "fixed_interval": "1m"},
        "aggs": {"a": {"avg": {"field": "latency"}}},
    }
    answer = fetch(aggregations={"over_time": axis}, value="a")
    assert (len(answer.series), answer.points.height) == (1, 12)


def test_a_filter_on_top_narrows_the_documents(fetch: Fetch) -> None:
    top = {
        "errors": {
            "filter": {"term": {"log.level": "ERROR"}},
            "aggs": {"service": {"terms": {"field": "service.name"}}},
        }
    }
    assert _table(fetch(aggregations=top)) == _expected(lambda k: {"service": _service(k)}, only=lambda k: k % 4 == 0)


@pytest.mark.requirement("B8")
def test_an_explosion_of_series_keeps_the_highest_and_counts_the_rest(fetch: Fetch) -> None:
    worst = {"worst": {"max": {"field": "latency"}}}
    answer = fetch(
        aggregations={"pod": {"terms": {"field": "pod"}, "aggs": worst}},
        value="worst",
        limits={"max_series": 20},
        end=START + 2 * HOUR,
    )
    kept = {one.labels["pod"] for one in answer.series}
    assert {f"pod-{k}" for k in range(99, 2_000, 100)} <= kept
    assert len(kept) + answer.dropped_series == 2_000
    assert len(kept) <= 21


def test_labels_that_make_two_series_equal_are_refused_with_the_way_out(fetch: Fetch) -> None:
    both = {"pod": {"terms": {"field": "pod"}, "aggs": {"level": {"terms": {"field": "log.level"}}}}}
    with pytest.raises(SourceQueryError, match="only level are kept") as caught:
        fetch(aggregations=both, labels=["level"])
    assert "remove the aggregation" in caught.value.suggestion


def test_labels_with_quotes_newlines_unicode_and_long_values(fetch: Fetch) -> None:
    answer = fetch(index="odd", aggregations={"tag": {"terms": {"field": "tag"}}})
    assert {one.labels["tag"] for one in answer.series} == {ODD, "L" * 30_000, "(none)"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"index": "nope"}, "no such index"),
        ({"query": {"foo": {}}}, "unknown field .foo."),
        ({"aggregations": {"a": {"nosuch": {}}}, "value": "a"}, "(?i)unknown"),
        (
            {"aggregations": {"a": {"avg": {"field": "latency"}}}, "value": "b"},
            "names no metric aggregation; there are: a",
        ),
        (
            {"aggregations": {"a": {"stats": {"field": "latency"}}}, "value": "a.median"},
            "no key 'median'; there are: .*max",
        ),
        ({"aggregations": {"a": {"missing": {"field": "x"}}, "b": {"missing": {"field": "y"}}}}, "side by side"),
        ({"aggregations": {"a": {}}}, "exactly one type"),
        ({"aggregations": {"message": {"terms": {"field": "message"}}}}, "(?i)text fields"),
    ],
)
def test_a_wrong_query_is_told_in_the_words_of_the_server(fetch: Fetch, change: dict[str, Any], words: str) -> None:
    with pytest.raises(SourceQueryError, match=words) as caught:
        fetch(**change)
    assert caught.value.as_dict()["errorType"] == "SOURCE_QUERY_ERROR"
    assert caught.value.suggestion


def test_log_lines_come_oldest_first_page_by_page(fetch: Fetch) -> None:
    answer = fetch(lines={}, end=START + 2 * HOUR)
    lines = answer.log_lines
    assert lines.schema == pl.Schema(LOG_LINES_SCHEMA)
    assert answer.points.is_empty()
    assert lines["doc_id"].n_unique() == 7_200
    assert lines["logged_at"].is_sorted()
    assert lines.row(1, named=True) == {
        "doc_id": "logs/1", "logged_at": START + timedelta(seconds=1), "service": "gateway", "level": "INFO",
        "message": "request 1 took 1 ms", "correlation_id": "c1",
    }  # fmt: skip
    assert answer.dropped_series == 0


def test_log_lines_over_the_limit_are_counted_aloud(fetch: Fetch, caplog: pytest.LogCaptureFixture) -> None:
    answer = fetch(lines={"max_lines": 5_500}, end=START + 2 * HOUR)
    assert answer.log_lines["doc_id"].to_list() == [f"logs/{k}" for k in range(5_500)]
    assert answer.dropped_series == 1_700
    assert "1700 of 7200 log lines" in caplog.text


def test_fields_are_found_nested_dotted_and_absent(fetch: Fetch) -> None:
    rows = {row["doc_id"]: row for row in fetch(lines={"index": "odd"}).log_lines.rows(named=True)}
    assert (rows["odd/2"]["service"], rows["odd/2"]["level"], rows["odd/2"]["message"]) == ("flat", "WARN", ODD)
    assert rows["odd/2"]["logged_at"] == START.replace(microsecond=123_000)
    assert (rows["odd/3"]["service"], rows["odd/3"]["correlation_id"]) == ("", "")
    assert (rows["odd/4"]["service"], rows["odd/4"]["level"]) == ("s", '["E","F"]')


def test_a_range_without_documents_is_an_empty_answer(fetch: Fetch) -> None:
    early = {"start": START - 2 * HOUR, "end": START - HOUR}
    assert fetch(**early).points.is_empty()
    assert fetch(lines={}, **early).log_lines.is_empty()
    assert fetch(start=START, end=START).requests == 0


def test_the_media_type_is_settled_once_and_a_point_in_time_is_used_where_there_is_one(
    fetch: Fetch, server: str
) -> None:
    """A proxy that maps Elasticsearch's point in time to the OpenSearch one of the server behind."""
    upstream = requests.Session()
    upstream.trust_env = False

    def proxy(asked: Asked) -> Reply:
        if "vnd.elasticsearch" in asked.headers.get("accept", ""):
            return reply_json('{"error":"Content-Type is not supported"}', status=406)
        path, body = asked.path, orjson.loads(asked.body or b"{}")
        if path.endswith("/_pit"):
            path = path.replace("/_pit", "/_search/point_in_time")
        elif path == "/_pit":
            path, body = "/_search/point_in_time", {"pit_id": [body["id"]]}
        found = upstream.request(asked.method, f"{server}{path}", params=asked.fields, json=body or None, timeout=10)
        answer = found.json()
        if "pit_id" in answer:
            answer["id"] = answer.pop("pit_id")
        return reply_json(orjson.dumps(answer), status=found.status_code, **{"X-Elastic-Product": "Elasticsearch"})

    with FaultyHttp(proxy) as front:
        answer = fetch(lines={}, url=front.url, end=START + 2 * HOUR)
        paths = [asked.path for asked in front.asked]
    upstream.close()
    assert answer.log_lines["doc_id"].n_unique() == 7_200
    assert paths == ["/logs/_pit", "/logs/_pit", "/_search", "/_search", "/_pit"]
