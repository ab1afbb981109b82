"""How any aggregations become a composite that can be paged, and which combinations are refused."""

from __future__ import annotations

from typing import Any

import pytest

from domain.errors import SourceLimitError, SourceQueryError
from domain.loaders.definition import ElasticsearchQuery
from resources.elasticsearch_axes import NESTED_TERMS_SIZE, TIME, Axes, decide_axes, flatten_bucket

pytestmark = pytest.mark.requirement("B2")

TERMS = {"terms": {"field": "service"}}
AVG = {"avg": {"field": "latency"}}


def _axes(aggregations: dict[str, Any], value: str = "doc_count") -> Axes:
    query = ElasticsearchQuery(metric_name="m", index="i", aggregations=aggregations, value=value)
    return decide_axes(query, step_ms=300_000, start_ms=1_700_000_000_000)


def _names(axes: Axes) -> list[str]:
    return [name for source in axes.sources for name in source]


def test_the_time_axis_is_last_and_begins_at_the_start_of_the_range() -> None:
    axes = _axes({"service": {**TERMS, "aggs": {"level": {"terms": {"field": "level"}}}}})
    assert _names(axes) == ["service", "level", TIME]
    assert axes.sources[-1][TIME]["date_histogram"] == {
        "field": "@timestamp",
        "fixed_interval": "300000ms",
        "offset": f"{1_700_000_000_000 % 300_000}ms",
    }
    assert axes.inner == {}


def test_the_chain_ends_at_the_first_metric_or_explicit_top_n() -> None:
    axes = _axes({"service": {**TERMS, "aggs": {"latency": AVG}}}, "latency")
    assert (_names(axes), axes.inner) == (["service", TIME], {"latency": AVG})
    top = {"terms": {"field": "pod", "size": 5}}
    axes = _axes({"service": {**TERMS, "aggs": {"pod": top}}})
    assert (_names(axes), axes.inner) == (["service", TIME], {"pod": top})


def test_neighbouring_terms_are_asked_for_all_their_buckets() -> None:
    axes = _axes({"a": TERMS, "b": {**TERMS, "aggs": {"c": TERMS}}})
    assert axes.inner["a"]["terms"]["size"] == NESTED_TERMS_SIZE
    assert axes.inner["b"]["aggs"]["c"]["terms"]["size"] == NESTED_TERMS_SIZE


def test_a_top_filter_joins_the_query_and_an_own_time_axis_is_replaced() -> None:
    axis = {"date_histogram": {"field": "@timestamp", "fixed_interval": "1h"}, "aggs": {"service": TERMS}}
    axes = _axes({"errors": {"filter": {"term": {"level": "ERROR"}}, "aggs": {"over_time": axis}}})
    assert axes.filters == [{"term": {"level": "ERROR"}}]
    assert _names(axes) == ["service", TIME]


def test_missing_fields_get_the_name_the_user_gave_or_none() -> None:
    axes = _axes({"a": {"terms": {"field": "x", "missing": "unknown"}, "aggs": {"b": {"terms": {"field": "y"}}}}})
    bucket = {"key": {"a": None, "b": None, TIME: 5}, "doc_count": 2}
    assert list(flatten_bucket(axes, bucket)) == [({"a": "unknown", "b": "(none)"}, 5, 2.0)]


def test_keys_of_other_types_become_texts() -> None:
    axes = _axes({"ok": {"terms": {"field": "ok"}, "aggs": {"code": {"terms": {"field": "code"}}}}})
    [(labels, _, _)] = flatten_bucket(axes, {"key": {"ok": True, "code": 503, TIME: 0}, "doc_count": 1})
    assert labels == {"ok": "true", "code": "503"}


def test_nested_bucket_aggregations_become_labels_named_after_them() -> None:
    axes = _axes({"kind": {"filters": {"filters": {}}, "aggs": {"pod": {**TERMS, "aggs": {"p": AVG}}}}}, "p")
    bucket = {
        "key": {TIME: 7},
        "doc_count": 9,
        "kind": {
            "buckets": {
                "bad": {"doc_count": 4, "pod": {"buckets": [{"key": "x", "doc_count": 4, "p": {"value": 1.5}}]}},
                "good": {"doc_count": 5, "pod": {"buckets": [{"key": "y", "doc_count": 5, "p": {"value": None}}]}},
            }
        },
    }
    assert list(flatten_bucket(axes, bucket)) == [({"kind": "bad", "pod": "x"}, 7, 1.5)]


def test_more_terms_than_can_be_asked_for_is_an_error_not_a_cut() -> None:
    axes = _axes({"a": TERMS, "b": AVG})
    buckets = [{"key": str(k), "doc_count": 1} for k in range(NESTED_TERMS_SIZE)]
    cut = {"key": {TIME: 0}, "doc_count": 1, "a": {"buckets": buckets, "sum_other_doc_count": 3}, "b": {"value": 1}}
    with pytest.raises(SourceLimitError, match="more than 10,000 terms") as caught:
        list(flatten_bucket(axes, cut))
    assert "paged" in caught.value.suggestion


@pytest.mark.parametrize(
    ("aggregations", "value", "words"),
    [
        ({"a": AVG}, "b", "there are: a"),
        ({}, "b", "there are: none"),
        ({"a": {"missing": {"field": "x"}}, "b": {"filter": {"term": {"x": 1}}}}, "doc_count", "side by side"),
        ({"a": {"terms": {"field": "x"}, "avg": {"field": "y"}}}, "doc_count", "exactly one type"),
        ({"a": {"aggs": {"b": AVG}}}, "b", "exactly one type"),
        ({"a": "terms"}, "doc_count", "exactly one type"),
    ],
)
def test_what_has_no_meaning_is_refused_before_anything_is_asked(
    aggregations: dict[str, Any], value: str, words: str
) -> None:
    with pytest.raises(SourceQueryError, match=words):
        _axes(aggregations, value)
