"""Statistics and log lines from Elasticsearch: any query with any aggregations, paged to the end.

How aggregations become a composite that can be paged is in `elasticsearch_axes`; log lines are in
`elasticsearch_lines`. `captured_at` is the start of a time bucket; buckets begin at `start + k * step_s`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl

from domain.answers import Answer
from domain.capture.ranges import compute_instant, compute_step_us
from domain.errors import SourceLimitError, SourceQueryError
from domain.loaders.definition import Connection, ElasticsearchQuery, LoaderDefinition
from domain.signals import canonical_labels
from domain.vocabulary import QuarantineReason
from resources.answer_collector import AnswerCollector, keep_labels
from resources.client_cache import ClientCache
from resources.elasticsearch_axes import Axes, decide_axes, flatten_bucket
from resources.elasticsearch_door import ElasticsearchDoor
from resources.elasticsearch_lines import capture_lines
from resources.elasticsearch_range import compute_epoch_ms, limit_to_range
from resources.series_rows import ROWS_SCHEMA, SeriesRows


class ElasticsearchSource:
    """A `StatisticsSource`. Safe to share between threads; connections to a cluster are pooled and reused."""

    def __init__(self) -> None:
        self._doors = ClientCache(ElasticsearchDoor)

    def fetch(self, loader: LoaderDefinition, connection: Connection, *, start: datetime, end: datetime) -> Answer:
        """See `domain.ports.StatisticsSource.fetch`. For log lines, lines over `max_lines` are in `dropped_series`."""
        door, found = self._doors.client_for(connection), AnswerCollector()
        if start < end:
            for query in loader.elasticsearch:
                _capture_query(door, loader, query, found, start=start, end=end)
            for lines in loader.log_lines:
                capture_lines(door, loader, lines, found, start=start, end=end)
        return found.build()

    def ping(self, connection: Connection, *, timeout_s: float) -> str:
        """Asks for name and version; what answered. Raises as `fetch` does."""
        return self._doors.client_for(connection).describe(timeout_s=timeout_s)

    def close(self) -> None:
        """Release all pooled connections; the source stays usable and opens new ones."""
        for door in self._doors.take_all():
            door.client.close()


def _capture_query(
    door: ElasticsearchDoor,
    loader: LoaderDefinition,
    query: ElasticsearchQuery,
    found: AnswerCollector,
    *,
    start: datetime,
    end: datetime,
) -> None:
    axes = decide_axes(query, step_ms=compute_step_us(loader.step_s) // 1_000, start_ms=compute_epoch_ms(start))
    limited = limit_to_range([query.query, *axes.filters], query.timestamp_field, start=start, end=end)
    series = SeriesRows(query, max_series=loader.max_series)
    after: dict[str, Any] | None = None
    size = axes.page_size
    while True:
        try:
            found.requests += 1
            page = door.search(timeout_s=loader.timeout_s, **_page_body(query, axes, limited, size, after))
        except SourceLimitError:
            if size == 1:
                raise
            size = max(1, size // 4)
            continue
        composite = page.get("aggregations", {}).get("pages", {"buckets": []})
        rows = _read_page(query, axes, composite["buckets"], found)
        series.add_page(rows, unfinished=rows["labels"].tail(1).to_list())
        after = composite.get("after_key")
        if not after or len(composite["buckets"]) < axes.full_page(size):
            break
    if series.has_doubles():
        raise SourceQueryError(
            f"two buckets of {query.metric_name} have the same labels once only {', '.join(query.labels)} are kept",
            suggestion="remove the aggregation whose label is not wanted, or list its label too",
        )
    series.hand_over(found)


def _page_body(
    query: ElasticsearchQuery, axes: Axes, limited: dict[str, Any], size: int, after: dict[str, Any] | None
) -> dict[str, Any]:
    composite = {"size": size, "sources": axes.sources, **({"after": after} if after else {})}
    pages: dict[str, Any] = {"composite": composite, **({"aggs": axes.inner} if axes.inner else {})}
    return {"index": query.index, "size": 0, "track_total_hits": False, "query": limited, "aggs": {"pages": pages}}


def _read_page(
    query: ElasticsearchQuery, axes: Axes, buckets: list[dict[str, Any]], found: AnswerCollector
) -> pl.DataFrame:
    rows = []
    for labels, epoch_ms, value in (row for bucket in buckets for row in flatten_bucket(axes, bucket)):
        kept = keep_labels(labels, query.labels)
        if isinstance(value, (int, float)):
            rows.append((canonical_labels(kept), epoch_ms * 1_000, float(value)))
        else:
            found.set_aside(
                query.metric_name,
                kept,
                captured_at=compute_instant(epoch_ms * 1_000),
                raw_value=str(value)[:500],
                reason=QuarantineReason.NOT_NUMERIC,
                detail=f"aggregation value {query.value} is not a number",
            )
    return pl.DataFrame(rows, schema=ROWS_SCHEMA, orient="row")
