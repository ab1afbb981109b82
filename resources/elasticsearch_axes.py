"""Any aggregations → a composite that can be paged to its end, and its buckets → (labels, instant, value). Pure.

The chain of plain `terms`, `histogram` and `date_histogram` at the top becomes sources of a composite, with the time axis
as its last source, so that all buckets of a series are neighbours. What is inside stays a sub-aggregation:
- a `terms` with `size`, `order`, `include` or the like is an explicit top-N of its bucket and stays one;
- a `terms` without, that has neighbours, is asked for 10,000 buckets, and more than that is an error, never a cut;
- documents without the field of a chained aggregation are counted under its `missing`, or else under "(none)";
- a `filter` at the top becomes part of the query;
- a `date_histogram` over the timestamp field is replaced by the time axis.
Absence of a bucket means no documents: nothing is filled with zeros, since what would be filled depends on the range asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from domain.errors import SourceLimitError, SourceQueryError
from domain.loaders.definition import ElasticsearchQuery

TIME = "__captured_at"
NONE = "(none)"
NESTED_TERMS_SIZE = 10_000

#: Parameters a chained aggregation may have; with any other one it keeps its own meaning as a sub-aggregation.
_CHAINABLE = {
    "terms": {"field", "script", "missing"},
    "histogram": {"field", "script", "interval", "min_doc_count", "keyed"},
    "date_histogram": {
        "field",
        "fixed_interval",
        "calendar_interval",
        "time_zone",
        "offset",
        "format",
        "min_doc_count",
    },
}
_NOT_IN_COMPOSITE = {"min_doc_count", "keyed", "missing"}
_MANY_BUCKETS = {
    "terms", "rare_terms", "significant_terms", "significant_text", "multi_terms", "histogram", "date_histogram",
    "auto_date_histogram", "variable_width_histogram", "range", "date_range", "ip_range", "filters", "geo_distance",
    "geohash_grid", "geotile_grid", "adjacency_matrix", "categorize_text",
}  # fmt: skip
_THINNING = {"bucket_selector", "bucket_sort"}
_ONE_BUCKET = {"filter", "missing", "nested", "reverse_nested", "global", "children", "parent", "sampler"}


@dataclass(frozen=True, slots=True)
class Axes:
    """A query ready to be paged: sources of the composite (labels first, time last) and what is aggregated inside.

    `filters` narrow the documents; `missing` is the label value of documents without the field of a source.
    """

    sources: list[dict[str, Any]]
    filters: list[dict[str, Any]]
    missing: dict[str, str]
    inner: dict[str, Any]
    value: str
    scale: float

    def full_page(self, size: int) -> int:
        """A page with fewer buckets than this is the last one; a selecting pipeline inside may thin out any page."""
        selects = any(_kind(name, body) in _THINNING for name, body in self.inner.items())
        return 1 if selects else size

    @property
    def page_size(self) -> int:
        """Buckets per page: fewer where each holds further buckets, which count against the limit of the server."""
        return 500 if _bucket_names(self.inner) else 5_000


def decide_axes(query: ElasticsearchQuery, *, step_ms: int, start_ms: int) -> Axes:
    """The composite for a query whose time buckets begin at `start_ms + k * step_ms`.

    Raises:
        SourceQueryError: `value` names no aggregation, or buckets could not be told apart.
    """
    sources: list[dict[str, Any]] = []
    filters: list[dict[str, Any]] = []
    missing: dict[str, str] = {}
    level = query.aggregations
    while len(level) == 1:
        [(name, body)] = level.items()
        kind = _kind(name, body)
        if kind == "filter" and name != query.value.split(".")[0]:
            filters.append(body[kind])
            level = _children(body)
            continue
        if not (kind in _CHAINABLE and body[kind].keys() <= _CHAINABLE[kind]) or name == query.value.split(".")[0]:
            break
        if not (kind == "date_histogram" and body[kind].get("field") == query.timestamp_field):
            kept = {key: value for key, value in body[kind].items() if key not in _NOT_IN_COMPOSITE}
            sources.append({name: {kind: {**kept, "missing_bucket": True}}})
            missing[name] = _text(body[kind].get("missing", NONE))
        level = _children(body)
    axis = {"field": query.timestamp_field, "fixed_interval": f"{step_ms}ms", "offset": f"{start_ms % step_ms}ms"}
    sources.append({TIME: {"date_histogram": axis}})
    _require_meaning(level, query.value)
    return Axes(sources, filters, missing, _complete_terms(level), query.value, query.scale)


def flatten_bucket(axes: Axes, bucket: dict[str, Any]) -> Iterator[tuple[dict[str, str], int, Any]]:
    """All values of one composite bucket as (labels, epoch milliseconds, value); a value of null is left out."""
    keys = ((name, key) for name, key in bucket["key"].items() if name != TIME)
    labels = {name: axes.missing[name] if key is None else _text(key) for name, key in keys}
    for inner_labels, value in _walk(axes.inner, bucket, axes.value):
        if value is not None:
            number = value * axes.scale if isinstance(value, (int, float)) else value
            yield {**labels, **inner_labels}, bucket["key"][TIME], number


def _walk(level: dict[str, Any], node: dict[str, Any], value: str) -> Iterator[tuple[dict[str, str], Any]]:
    head, _, rest = value.partition(".")
    if head in level:
        yield {}, _pick(node[head], rest)
        return
    below = _bucket_names(level)
    if value == "doc_count" and not below:
        yield {}, node["doc_count"]
    for name in below:
        for label, bucket in _buckets(name, node[name]):
            for labels, number in _walk(_children(level[name]), bucket, value):
                yield {**label, **labels}, number


def _buckets(name: str, found: dict[str, Any]) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    if "buckets" not in found:
        yield {}, found
        return
    if found.get("sum_other_doc_count") and len(found["buckets"]) >= NESTED_TERMS_SIZE:
        raise SourceLimitError(
            f"aggregation {name!r} has more than {NESTED_TERMS_SIZE:,} terms in one bucket",
            suggestion="make it the only aggregation of its level, so that it is paged, or give it a size: a top-N",
        )
    if isinstance(found["buckets"], dict):
        for key, bucket in found["buckets"].items():
            yield {name: key}, bucket
    else:
        for bucket in found["buckets"]:
            yield {name: _text(bucket.get("key_as_string", bucket["key"]))}, bucket


def _pick(found: dict[str, Any], rest: str) -> Any:
    """The number at `rest` inside the answer of an aggregation; its only number when `rest` is empty."""
    if not rest:
        return found["value"] if "value" in found else found.get("doc_count")
    for place in (found.get("values"), found):
        if isinstance(place, dict) and rest in place:
            inner = place[rest]
            return _pick(inner, "") if isinstance(inner, dict) else inner
    head, _, tail = rest.partition(".")
    if isinstance(found.get(head), dict):
        return _pick(found[head], tail)
    buckets = found.get("buckets")
    if isinstance(buckets, dict) and head in buckets:
        return _pick(buckets[head], tail)
    raise SourceQueryError(
        f"the value has no key {rest!r}; there are: {', '.join(map(str, found.get('values') or found))}",
        suggestion="write value as `aggregation.key`, for example latency.99.0",
    )


def _require_meaning(level: dict[str, Any], value: str) -> None:
    names = sorted(_all_names(level))
    if value != "doc_count" and value.partition(".")[0] not in names:
        raise SourceQueryError(
            f"value {value!r} names no metric aggregation; there are: {', '.join(names) or 'none'}",
            suggestion="write value as the name of an aggregation, `name.key` for one with several numbers, or doc_count",
        )
    for siblings in _levels(level):
        plain = [name for name in siblings if _kind(name, siblings[name]) in _ONE_BUCKET]
        if len(plain) > 1 and not any(name == value.partition(".")[0] for name in siblings):
            raise SourceQueryError(
                f"aggregations {', '.join(plain)} stand side by side and would give the same series twice",
                suggestion="make them one `filters` aggregation: its keys become a label",
            )


def _complete_terms(level: dict[str, Any]) -> dict[str, Any]:
    """Terms without an explicit size ask for all their buckets: the server's default of 10 would cut silently."""
    complete = {}
    for name, body in level.items():
        kind = _kind(name, body)
        own = {**body[kind]} if kind in {"terms", "multi_terms"} else body[kind]
        if kind in {"terms", "multi_terms"} and "size" not in own:
            own["size"] = NESTED_TERMS_SIZE
        complete[name] = {kind: own, **{key: body[key] for key in body.keys() & {"meta"}}}
        if inner := _children(body):
            complete[name]["aggs"] = _complete_terms(inner)
    return complete


def _kind(name: str, body: dict[str, Any]) -> str:
    kinds = [key for key in body if key not in {"aggs", "aggregations", "meta"}] if isinstance(body, dict) else []
    if len(kinds) != 1 or not isinstance(body[kinds[0]], dict):
        raise SourceQueryError(
            f"aggregation {name!r} must have exactly one type, found: {', '.join(kinds) or 'none'}",
            suggestion='write it as {"name": {"terms": {"field": ...}, "aggs": {...}}}',
        )
    return str(kinds[0])


def _children(body: dict[str, Any]) -> dict[str, Any]:
    return body.get("aggs") or body.get("aggregations") or {}


def _bucket_names(level: dict[str, Any]) -> list[str]:
    return [name for name, body in level.items() if _kind(name, body) in _MANY_BUCKETS | _ONE_BUCKET]


def _levels(level: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield level
    for body in level.values():
        yield from _levels(_children(body))


def _all_names(level: dict[str, Any]) -> set[str]:
    return {name for siblings in _levels(level) for name in siblings}


def _text(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)
