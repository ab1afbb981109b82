"""Log lines from Elasticsearch, oldest first, page by page with `search_after`, up to `max_lines`.

Pages are cut from one point in time where the server has it; elsewhere `_id` breaks ties between equal timestamps. A line's
`doc_id` is `index/_id`, so that a repeated capture recognises it. Fields are found as nested objects and as dotted names.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import orjson
import polars as pl
from elasticsearch import ApiError

from domain.answers import LOG_LINES_SCHEMA
from domain.errors import SourceRefusedError
from domain.loaders.definition import LoaderDefinition, LogLinesQuery
from resources.answer_collector import AnswerCollector
from resources.elasticsearch_door import ElasticsearchDoor, translate_elasticsearch_error
from resources.elasticsearch_range import limit_to_range
from resources.outgoing_http import Deadline, call_with_retries

PAGE_LINES = 5_000
_KEEP_ALIVE = "2m"
_LOG = logging.getLogger(__name__)


def capture_lines(
    door: ElasticsearchDoor,
    loader: LoaderDefinition,
    query: LogLinesQuery,
    found: AnswerCollector,
    *,
    start: datetime,
    end: datetime,
) -> None:
    """Lines of [start, end) into the answer; those over `max_lines` are counted in `dropped_series` and logged."""
    taken, total = 0, 0
    for hits, matching in _pages(door, loader, query, found, start=start, end=end):
        found.add_log_lines(_read_lines(hits, query))
        taken, total = taken + len(hits), matching
    if total > taken:
        found.dropped_series += total - taken
        _LOG.warning("%s: %d of %d log lines are over max_lines and were not taken", loader.code, total - taken, total)


def _pages(
    door: ElasticsearchDoor,
    loader: LoaderDefinition,
    query: LogLinesQuery,
    found: AnswerCollector,
    *,
    start: datetime,
    end: datetime,
) -> Iterator[tuple[list[dict[str, Any]], int]]:
    moment = _open_point_in_time(door, query, found, timeout_s=loader.timeout_s)
    tie = {"_shard_doc": "asc"} if moment else {"_id": "asc"}
    body: dict[str, Any] = {
        "query": limit_to_range([query.query], query.timestamp_field, start=start, end=end),
        "sort": [{query.timestamp_field: {"order": "asc"}}, tie],
        "source_includes": _fields(query),
        **({"pit": {"id": moment, "keep_alive": _KEEP_ALIVE}} if moment else {"index": query.index}),
    }
    left, total = query.max_lines, 0
    try:
        while left > 0:
            found.requests += 1
            first = "search_after" not in body
            page = door.search(timeout_s=loader.timeout_s, size=min(PAGE_LINES, left), track_total_hits=first, **body)
            hits = page["hits"]["hits"]
            total = page["hits"]["total"]["value"] if first else total
            if hits:
                yield hits, total
            if len(hits) < min(PAGE_LINES, left):
                break
            left -= len(hits)
            body["search_after"] = hits[-1]["sort"]
    finally:
        if moment:
            _close_point_in_time(door, moment, loader.code)


def _open_point_in_time(
    door: ElasticsearchDoor, query: LogLinesQuery, found: AnswerCollector, *, timeout_s: float
) -> str | None:
    if door.has_point_in_time is False:
        return None

    def attempt(deadline: Deadline) -> str | None:
        found.requests += 1
        try:
            client = door.client.options(request_timeout=max(deadline.remaining_s(), 0.001))
            return str(client.open_point_in_time(index=query.index, keep_alive=_KEEP_ALIVE)["id"])
        except ApiError as error:
            if error.status_code in {400, 404, 405} and "index_not_found" not in str(error.body):
                return None
            raise translate_elasticsearch_error(error, door.where) from None
        except SourceRefusedError:
            return None

    moment = call_with_retries(attempt, timeout_s=timeout_s, breaker=door.breaker)
    door.has_point_in_time = moment is not None
    return moment


def _close_point_in_time(door: ElasticsearchDoor, moment: str, code: str) -> None:
    try:
        door.client.close_point_in_time(id=moment)
    except ApiError as error:  # it expires by itself
        _LOG.info("%s: the point in time could not be closed: HTTP %s", code, error.status_code)


def _fields(query: LogLinesQuery) -> list[str]:
    return [query.service_field, query.level_field, query.message_field, query.correlation_field]


def _read_lines(hits: list[dict[str, Any]], query: LogLinesQuery) -> pl.DataFrame:
    texts = {
        column: [_text_at(hit.get("_source") or {}, path) for hit in hits]
        for column, path in zip(("service", "level", "message", "correlation_id"), _fields(query), strict=True)
    }
    ticks = pl.Series([hit["sort"][0] for hit in hits], dtype=pl.Int64)
    # a date sorts by milliseconds, a date_nanos by nanoseconds; milliseconds stay below 1e14 until the year 5138
    epoch_us = pl.select(pl.when(ticks > 10**14).then(ticks // 1_000).otherwise(ticks * 1_000)).to_series()
    columns = {"doc_id": [f"{hit['_index']}/{hit['_id']}" for hit in hits], "logged_at": epoch_us, **texts}
    return pl.DataFrame(columns).select(LOG_LINES_SCHEMA.keys()).cast(LOG_LINES_SCHEMA)  # type: ignore[arg-type]


def _text_at(source: Any, path: str) -> str:
    """The value at a dotted path, whether the document nests objects or has dots in its names; "" where it is absent."""
    if not isinstance(source, dict):
        return ""
    if path in source:
        value = source[path]
        return value if isinstance(value, str) else "" if value is None else orjson.dumps(value).decode()
    head, dot, rest = path.partition(".")
    while dot:
        if head in source and (found := _text_at(source[head], rest)):
            return found
        more, dot, rest = rest.partition(".")
        head = f"{head}.{more}"
    return ""
