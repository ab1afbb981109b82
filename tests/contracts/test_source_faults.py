"""What a broken source looks like to an operator: every fault has its type, its reason and what to do, and no secret."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.answers import Answer
from domain.circuit_breaker import BreakerRules
from domain.errors import (
    CircuitOpenError,
    SourceAnswerError,
    SourceAuthenticationError,
    SourceError,
    SourceFailedError,
    SourceLimitError,
    SourceRefusedError,
    SourceTimeoutError,
    SourceTlsError,
    SourceUnreachableError,
)
from domain.loaders.definition import Connection, LoaderDefinition
from domain.vocabulary import SourceKind
from resources.breakers import process_breakers
from resources.logs_elasticsearch import ElasticsearchSource
from resources.metrics_prometheus import PrometheusSource
from resources.sources import PooledSource
from tests.fakes.faulty_http import Asked, FaultyHttp, Reply, reply_json, unused_port

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
QUERIES: dict[SourceKind, dict[str, Any]] = {
    SourceKind.PROMETHEUS: {"prometheus": [{"metric_name": "m", "promql": "up"}]},
    SourceKind.ELASTICSEARCH: {"elasticsearch": [{"metric_name": "m", "index": "logs"}]},
}
GOOD: dict[SourceKind, bytes] = {
    SourceKind.PROMETHEUS: (
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"b"},"values":[[1793534400,"7"]]}]}}'
    ),
    SourceKind.ELASTICSEARCH: (
        b'{"took":1,"timed_out":false,"_shards":{"total":1,"successful":1,"failed":0},"hits":{"hits":[]},'
        b'"aggregations":{"pages":{"buckets":[{"key":{"__captured_at":1793534400000},"doc_count":7}]}}}'
    ),
}
PRODUCT = {"X-Elastic-Product": "Elasticsearch"}
PASSWORD = "s3cret-word"


class Probe:
    """One source of either kind, asked for five minutes."""

    def __init__(self, kind: SourceKind) -> None:
        self.kind = kind
        self.good = GOOD[kind]
        self.source: PooledSource = PrometheusSource() if kind is SourceKind.PROMETHEUS else ElasticsearchSource()

    def fetch(
        self, url: str, *, timeout_s: float = 5, query: dict[str, Any] | None = None, **connection: Any
    ) -> Answer:
        loader = LoaderDefinition.model_validate(
            {
                "code": "T-FAULT", "title": "t", "source": self.kind, "connection": "c", "schedule": "* * * * *",
                "step_s": 60, "timeout_s": timeout_s, **(query or QUERIES[self.kind]),
            }
        )  # fmt: skip
        reached = Connection.model_validate({"url": url, "username": "me", "password": PASSWORD, **connection})
        return self.source.fetch(loader, reached, start=NOON, end=NOON + timedelta(minutes=5))

    def fails(self, url: str, kind: type[SourceError], words: str, hint: str, **options: Any) -> SourceError:
        """The fetch fails with this type, these words, this hint; nothing else, and nothing secret, is told."""
        with pytest.raises(kind, match=words) as caught:
            self.fetch(url, **options)
        told = caught.value.as_dict()
        assert type(caught.value) is kind
        assert hint in told["suggestion"]
        assert PASSWORD not in f"{caught.value}{told}"
        return caught.value


@pytest.fixture(autouse=True)
def _fresh_breakers() -> Iterator[None]:
    """Failures of one test keep no door shut in another: ports come back."""
    process_breakers().attach(None, BreakerRules())
    yield
    process_breakers().attach(None, BreakerRules())


@pytest.fixture(params=[SourceKind.PROMETHEUS, SourceKind.ELASTICSEARCH], ids=str)
def probe(request: pytest.FixtureRequest) -> Iterator[Probe]:
    probe = Probe(request.param)
    yield probe
    probe.source.close()


def _serving(*replies: Reply) -> Callable[[Asked], Reply]:
    """These replies in turn, the last one for ever."""
    left = list(replies)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def test_a_good_answer_of_the_fake_is_understood(probe: Probe) -> None:
    with FaultyHttp(_serving(reply_json(probe.good, **PRODUCT))) as server:
        answer = probe.fetch(server.url)
    assert answer.points["metric_value"].to_list() == [7.0]
    assert answer.points["captured_at"].to_list() == [NOON]


def test_the_password_travels_only_in_the_authorization_header(probe: Probe) -> None:
    with FaultyHttp(_serving(reply_json(probe.good, **PRODUCT))) as server:
        probe.fetch(server.url, headers={"X-Tenant": "blue"})
    [asked] = server.asked
    assert asked.headers["authorization"].startswith("Basic ")
    assert asked.headers["x-tenant"] == "blue"
    assert PASSWORD not in f"{asked.path}{asked.fields}{asked.body!r}"


def test_a_refused_connection(probe: Probe) -> None:
    error = probe.fails(
        f"http://127.0.0.1:{unused_port()}", SourceUnreachableError, "[0-9/a-z_]: Connection refused", "host, port"
    )
    assert error.is_retryable


def test_a_host_that_does_not_exist(probe: Probe) -> None:
    probe.fails("http://no-such-host.invalid:9090", SourceUnreachableError, "no-such-host.invalid", "host, port")


@pytest.mark.parametrize("url", ["not a url", "ftp://host:9090", "http://", "http://host:notaport"])
def test_a_wrong_url(probe: Probe, url: str) -> None:
    hint = "http://host" if probe.kind is SourceKind.ELASTICSEARCH else "host, port and scheme"
    probe.fails(url, SourceUnreachableError, ".", hint)


def test_a_url_with_user_information_is_shown_without(probe: Probe) -> None:
    url = f"http://me:{PASSWORD}@127.0.0.1:{unused_port()}"
    probe.fails(url, SourceUnreachableError, r"http://127\.0\.0\.1", "host, port")


def test_a_server_that_never_answers(probe: Probe) -> None:
    with FaultyHttp(_serving(Reply(hangs=True))) as server:
        probe.fails(server.url, SourceTimeoutError, r"within 0\.3 s", "timeout_s", timeout_s=0.3)
    assert len(server.asked) == 1


def test_a_reply_that_trickles_is_given_up_at_the_deadline(probe: Probe) -> None:
    began = time.monotonic()
    pieces = (probe.good[k : k + 1] for k in range(len(probe.good)))
    with FaultyHttp(_serving(Reply(pieces=pieces, length=len(probe.good), headers=PRODUCT, drip_s=0.05))) as server:
        probe.fails(server.url, SourceTimeoutError, r"within 0\.(5|49\d?) s", "timeout_s", timeout_s=0.5)
    assert time.monotonic() - began < 4


def test_a_body_that_ends_early(probe: Probe) -> None:
    cut = Reply(
        pieces=(probe.good[:-20],), length=len(probe.good), headers={"Content-Type": "application/json", **PRODUCT}
    )
    with FaultyHttp(_serving(cut)) as server:
        error = probe.fails(server.url, SourceAnswerError, "ended early", "proxy or a restart")
    assert error.is_retryable
    assert len(server.asked) == 3


def test_a_restart_in_the_middle_is_survived_by_a_retry(probe: Probe) -> None:
    cut = Reply(
        pieces=(probe.good[:-20],), length=len(probe.good), headers={"Content-Type": "application/json", **PRODUCT}
    )
    busy = reply_json("starting", status=503, **PRODUCT)
    with FaultyHttp(_serving(cut, busy, reply_json(probe.good, **PRODUCT))) as server:
        assert probe.fetch(server.url).points.height == 1


@pytest.mark.parametrize("body", [b"<html>please log in</html>", b"", b'{"hello": "world"}', b"[1, 2", b"\xff\xfe\x00"])
def test_something_else_answers(probe: Probe, body: bytes) -> None:
    with FaultyHttp(_serving(reply_json(body, **PRODUCT))) as server:
        probe.fails(server.url, SourceAnswerError, "did not answer", "proxy")


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_login(probe: Probe, status: int) -> None:
    with FaultyHttp(_serving(reply_json("no entry", status=status, **PRODUCT))) as server:
        error = probe.fails(server.url, SourceAuthenticationError, f"HTTP {status}", "password")
    assert not error.is_retryable
    assert len(server.asked) == 1


def test_a_wrong_path(probe: Probe) -> None:
    with FaultyHttp(_serving(reply_json("404 page not found", status=404, **PRODUCT))) as server:
        probe.fails(f"{server.url}/prefix", SourceRefusedError, "HTTP 404.*page not found", "path")
    assert server.asked[0].path.startswith("/prefix/")


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_a_failing_server_is_tried_again_and_then_told(probe: Probe, status: int) -> None:
    with FaultyHttp(_serving(reply_json("upstream broke", status=status, **PRODUCT))) as server:
        error = probe.fails(server.url, SourceFailedError, f"HTTP {status}.*upstream broke", "log of the source")
    assert error.is_retryable
    assert len(server.asked) == 3


@pytest.mark.requirement("A14")
def test_a_source_that_keeps_failing_is_not_asked_any_more(probe: Probe) -> None:
    process_breakers().attach(None, BreakerRules(minimum_calls=3, window=5))
    with FaultyHttp(_serving(reply_json("down", status=503, **PRODUCT))) as server:
        probe.fails(server.url, SourceFailedError, "HTTP 503", "log of the source")
        probe.fails(server.url, CircuitOpenError, "circuit breaker is OPEN", "ADMIN can reset")
        assert len(server.asked) == 3


@pytest.mark.requirement("A14")
def test_a_point_in_time_of_elasticsearch_is_opened_with_retries() -> None:
    probe = Probe(SourceKind.ELASTICSEARCH)
    lines = {"log_lines": [{"index": "logs"}]}
    busy, moment = reply_json("starting", status=503, **PRODUCT), reply_json('{"id": "m"}', **PRODUCT)
    none = b'{"took":1,"timed_out":false,"_shards":{"total":1,"failed":0},"hits":{"total":{"value":0},"hits":[]}}'
    with FaultyHttp(_serving(busy, busy, moment, reply_json(none, **PRODUCT))) as server:
        assert probe.fetch(server.url, query=lines).log_lines.height == 0
        assert [one.path for one in server.asked] == ["/logs/_pit"] * 3 + ["/_search", "/_pit"]
    process_breakers().attach(None, BreakerRules(minimum_calls=3, window=5))
    with FaultyHttp(_serving(busy)) as server:
        probe.fails(server.url, SourceFailedError, "HTTP 503", "log of the source", query=lines)
        probe.fails(server.url, CircuitOpenError, "circuit breaker is OPEN", "ADMIN can reset", query=lines)
        assert len(server.asked) == 3
    probe.source.close()


def test_a_certificate_nobody_signed(probe: Probe, tmp_path: Path) -> None:
    with FaultyHttp(_serving(reply_json(probe.good, **PRODUCT)), tls_folder=tmp_path) as server:
        error = probe.fails(server.url, SourceTlsError, "self-signed certificate", "ca_file")
        assert not error.is_retryable
        assert server.certificate is not None
        trusted = probe.fetch(server.url, ca_file=str(server.certificate))
        unverified = probe.fetch(server.url, verify_tls=False)
    assert trusted.points.height == unverified.points.height == 1


def test_https_to_a_plain_server(probe: Probe) -> None:
    with FaultyHttp(_serving(reply_json(probe.good, **PRODUCT))) as server:
        probe.fails(server.url.replace("http:", "https:"), SourceTlsError, "TLS", "http/https")


def test_an_endless_body_stops_at_the_budget(probe: Probe) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b" " * (1 << 20)

    with FaultyHttp(
        lambda _: Reply(pieces=endless(), headers={"Content-Type": "application/json", **PRODUCT})
    ) as server:
        probe.fails(server.url, SourceLimitError, "more than 64 MiB", "fewer series", timeout_s=60)


def test_connections_are_reused(probe: Probe) -> None:
    with FaultyHttp(_serving(reply_json(probe.good, **PRODUCT))) as server:
        for _ in range(20):
            probe.fetch(server.url)
        assert server.connections == 1


def test_the_words_of_prometheus_decide_what_kind_of_refusal_it_is() -> None:
    probe = Probe(SourceKind.PROMETHEUS)
    said = '{"status":"error","errorType":"%s","error":"%s"}'
    for status, kind, words, expected in (
        (503, "timeout", "query timed out in expression evaluation", SourceTimeoutError),
        (503, "canceled", "query was canceled", SourceTimeoutError),
        (500, "internal", "disk on fire", SourceFailedError),
        (422, "execution", "query processing would load too many samples into memory", SourceLimitError),
        (400, "bad_data", "exceeded maximum resolution of 11,000 points per timeseries", SourceLimitError),
        (200, "internal", "answered with 200", SourceFailedError),
    ):
        with FaultyHttp(_serving(reply_json(said % (kind, words), status=status))) as server:
            error = probe.fails(server.url, expected, words, " ")
        assert error.context["promql"] == "up"
    probe.source.close()


def test_an_incomplete_answer_of_elasticsearch_is_no_answer() -> None:
    probe = Probe(SourceKind.ELASTICSEARCH)
    failed = probe.good.replace(b'"failed":0', b'"failed":1')
    with FaultyHttp(_serving(reply_json(failed, **PRODUCT))) as server:
        probe.fails(server.url, SourceAnswerError, "1 of 1 shards failed", "health of the index")
    late = probe.good.replace(b'"timed_out":false', b'"timed_out":true')
    with FaultyHttp(_serving(reply_json(late, **PRODUCT))) as server:
        probe.fails(server.url, SourceTimeoutError, "cut the search short", "timeout_s")
    probe.source.close()


@pytest.mark.requirement("B8")
def test_a_million_series_are_not_read_to_the_end_but_asked_again_for_the_highest() -> None:
    probe = Probe(SourceKind.PROMETHEUS)
    head = b'{"status":"success","data":{"resultType":"matrix","result":['
    sent = []

    def million() -> Iterator[bytes]:
        yield head
        for block in range(1_000):
            sent.append(block)
            yield b"".join(
                b'{"metric":{"id":"%d-%d"},"values":[[1793534400,"7"]]},' % (block, one) for one in range(1_000)
            )

    def answer(asked: Asked) -> Reply:
        if asked.fields["query"].startswith("count("):
            return reply_json(
                b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"1000000"]}]}}'
            )
        return reply_json(probe.good) if "topk(5000," in asked.fields["query"] else Reply(pieces=million())

    with FaultyHttp(answer) as server:
        found = probe.fetch(server.url, timeout_s=60)
    probe.source.close()
    assert found.dropped_series == 999_999
    assert found.points.height == 1
    assert len(sent) < 250
    assert found.requests == 3
