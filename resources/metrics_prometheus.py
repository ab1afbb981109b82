"""Statistics from anything that speaks the Prometheus HTTP API: ranges in requests, answers in columns.

A range is evaluated at `start + k * step_s < end`, in requests below the server's limit of 11,000 points per series. The
first request of a long range is short; the size of its answer decides how long the next ones are, so that an answer
stays around 24 MiB and never above 64 MiB. A query that explodes to more than 20 × `max_series` series is not read to
the end: it is asked again for its `max_series` highest series of that span, and the rest is counted as dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import numpy as np
import requests
from prometheus_api_client import PrometheusConnect
from urllib3.util.retry import Retry

from domain.answers import Answer
from domain.capture import ranges
from domain.capture.ranges import Span
from domain.errors import SourceLimitError, SourceQueryError
from domain.loaders.definition import Connection, LoaderDefinition, PrometheusQuery
from domain.vocabulary import QuarantineReason
from resources.answer_collector import AnswerCollector, keep_labels
from resources.client_cache import ClientCache
from resources.http_failures import redact_url
from resources.outgoing_http import open_session
from resources.prometheus_answer import PrometheusAnswer
from resources.prometheus_asking import PrometheusAsking, ask_instant

MAX_POINTS = 11_000
FIRST_POINTS = 1_000
TARGET_BYTES = 24 << 20
EXPLOSION_FACTOR = 20


class _ExplodedError(Exception):
    """More series than anyone wants are on their way."""


class PrometheusSource:
    """A `StatisticsSource`. Safe to share between threads; connections to a server are pooled and reused."""

    def __init__(self) -> None:
        self._clients = ClientCache(_open_client)

    def fetch(self, loader: LoaderDefinition, connection: Connection, *, start: datetime, end: datetime) -> Answer:
        """See `domain.ports.StatisticsSource.fetch`. One query after the other; an error of one fails the loader."""
        client, session = self._clients.client_for(connection)
        found = AnswerCollector()
        for query in loader.prometheus:
            _capture_query(PrometheusAsking(loader, query, client, session, found), start, end)
        return found.build()

    def ping(self, connection: Connection, *, timeout_s: float) -> str:
        """Evaluates `1`; what answered. Raises as `fetch` does."""
        client, session = self._clients.client_for(connection)
        ask_instant(client, session, "1", timeout_s=timeout_s)
        return f"Prometheus API at {redact_url(client.url)}"

    def close(self) -> None:
        """Release all pooled connections; the source stays usable and opens new ones."""
        for client, _ in self._clients.take_all():
            client.close()


def _open_client(connection: Connection) -> tuple[PrometheusConnect, requests.Session]:
    session = open_session(connection)
    client = PrometheusConnect(connection.url.rstrip("/"), session=session, retry=Retry(0))
    session.mount(f"{client.url}/", session.get_adapter("http://"))  # the client mounts a narrow pool for its url
    return client, session


def _capture_query(asking: PrometheusAsking, start: datetime, end: datetime) -> None:
    step_s = asking.loader.step_s
    offset, points, total = 0, FIRST_POINTS, ranges.count_points(start, end, step_s=step_s)
    while offset < total:
        span = ranges.compute_span(start, step_s=step_s, offset=offset, points=min(points, total - offset))
        try:
            size = _capture_span(asking, span)
        except SourceLimitError:
            if span.points == 1:
                raise
            points = max(1, span.points // 4)
            continue
        offset += span.points
        points = max(1, min(MAX_POINTS, TARGET_BYTES * span.points // max(size, 1)))


def _capture_span(asking: PrometheusAsking, span: Span) -> int:
    """Ask for one span and keep what came. Returns the size of the answer in bytes."""
    promql = asking.query.promql
    try:
        answer, size = asking.ask(
            "query_range", _range_fields(asking, promql, span), inspect=_series_guard(asking.loader)
        )
    except _ExplodedError:
        total = _count_series(asking, span)
        promql = f"({promql}\n) and topk({asking.loader.max_series}, {_highest(asking, span)})"
        answer, size = asking.ask("query_range", _range_fields(asking, promql, span))
        asking.found.dropped_series = max(asking.found.dropped_series, total - len(answer.metrics))
    _collect(asking, answer)
    return size


def _range_fields(asking: PrometheusAsking, promql: str, span: Span) -> dict[str, str]:
    return {
        "query": promql,
        "start": _seconds(span.first_at),
        "end": _seconds(span.last_at),
        "step": f"{ranges.compute_step_us(asking.loader.step_s) / 1e6:.3f}",
    }


def _seconds(instant: datetime) -> str:
    epoch_ms = -(-ranges.compute_epoch_us(instant) // 1_000)
    return f"{epoch_ms // 1_000}.{epoch_ms % 1_000:03d}"


def _series_guard(loader: LoaderDefinition) -> Callable[[bytes], None]:
    most, seen = EXPLOSION_FACTOR * loader.max_series, 0

    def look(piece: bytes) -> None:
        nonlocal seen
        seen += piece.count(b'{"metric":')
        if seen > most:
            raise _ExplodedError

    return look


def _highest(asking: PrometheusAsking, span: Span) -> str:
    """PromQL for the highest value of each series in a span, the same at every instant of the span."""
    step_ms = ranges.compute_step_us(asking.loader.step_s) // 1_000
    length_ms = max(span.points - 1, 1) * step_ms
    return f"max_over_time(({asking.query.promql}\n)[{length_ms}ms:{step_ms}ms] @ {_seconds(span.last_at)})"


def _count_series(asking: PrometheusAsking, span: Span) -> int:
    fields = {"query": f"count({_highest(asking, span)})", "time": _seconds(span.last_at)}
    answer, _ = asking.ask("query", fields)
    return int(answer.values[0]) if answer.values.size else 0


def _collect(asking: PrometheusAsking, answer: PrometheusAnswer) -> None:
    query, found = asking.query, asking.found
    labels = [keep_labels(metric, query.labels) for metric in answer.metrics]
    for one in labels:
        one.pop("__name__", None)
    indices = np.array([found.index_series(query.metric_name, one) for one in labels], dtype=np.uint32)
    if np.unique(indices).size < indices.size:
        raise SourceQueryError(
            f"two series of {query.metric_name} have the same labels once {_what_is_dropped(query)}",
            suggestion="aggregate in the query, for example sum by (label, ...) (...), or list more labels",
            promql=query.promql,
        )
    found.add_points(np.repeat(indices, answer.counts), answer.epoch_s, answer.values)
    for text in answer.texts:
        found.set_aside(
            query.metric_name,
            labels[text.series_index],
            captured_at=ranges.compute_instant(round(text.epoch_s * 1_000) * 1_000),
            raw_value=text.raw_value,
            reason=QuarantineReason.NOT_NUMERIC,
            detail="the sample is text",
        )
    for index, samples in answer.histograms.items():
        found.set_aside(
            query.metric_name,
            labels[index],
            captured_at=None,
            raw_value=f"{samples} native histogram samples",
            reason=QuarantineReason.MALFORMED,
            detail="a native histogram has no single value: wrap the query in histogram_quantile or histogram_avg",
        )


def _what_is_dropped(query: PrometheusQuery) -> str:
    return f"only {', '.join(query.labels)} are kept" if query.labels else "their metric name is dropped"
