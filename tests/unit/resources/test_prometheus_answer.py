"""The fast parse must say exactly what ordinary JSON says, for any answer a server may give."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.prometheus_answer import (
    NotAnAnswerError,
    PrometheusAnswer,
    RefusedQueryError,
    _parse_by_columns,
    parse_answer,
    parse_plainly,
)

NASTY = [
    '"values":[[1,"2"]]',
    ',"values":[[',
    '\\",\\"values\\":[[',
    "]]",
    '"],["',
    'q"uote',
    "back\\slash",
    "new\nline",
    "λ🦀\u2028",
]
LABELS = st.dictionaries(
    st.sampled_from(["__name__", "pod", "path", "values", "metric"]),
    st.one_of(st.sampled_from(NASTY), st.text(max_size=20)),
)
NUMBERS = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True).map(
        lambda v: "NaN" if math.isnan(v) else "+Inf" if v == math.inf else "-Inf" if v == -math.inf else repr(v)
    ),
    st.integers(-(10**15), 10**15).map(str),
    st.sampled_from(["1e+06", "1.5E-7", "-0", "1e400", "NaN", "+Inf", "-Inf"]),
)
ODD = st.one_of(
    NUMBERS,
    st.sampled_from(["", "abc", "1_000", " 1", "0x1p3", "1],[2,3", '"],["', "]]", "Infinity"]),
    st.text(max_size=8),
)
INSTANTS = st.one_of(st.integers(0, 4 * 10**9), st.integers(0, 4 * 10**12).map(lambda ms: ms / 1_000))


def _matrix(values: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    series = st.fixed_dictionaries(
        {"metric": LABELS, "values": st.lists(st.tuples(INSTANTS, values).map(list), max_size=6)},
        optional={"histograms": st.just([[1700000000, {"count": "1", "sum": "2", "buckets": [[0, "0", "1", "1"]]}]])},
    )
    return st.fixed_dictionaries(
        {
            "status": st.just("success"),
            "data": st.fixed_dictionaries({"resultType": st.just("matrix"), "result": st.lists(series, max_size=5)}),
        },
        optional={
            "warnings": st.lists(st.sampled_from(NASTY), max_size=2),
            "infos": st.lists(st.text(max_size=5), max_size=2),
        },
    )


def _same(left: PrometheusAnswer, right: PrometheusAnswer) -> None:
    assert left.metrics == right.metrics
    assert left.counts.tolist() == right.counts.tolist()
    np.testing.assert_array_equal(left.epoch_s, right.epoch_s)
    np.testing.assert_array_equal(left.values, right.values)
    assert np.array_equal(
        np.signbit(left.values[~np.isnan(left.values)]), np.signbit(right.values[~np.isnan(right.values)])
    )
    assert (left.texts, left.histograms, left.notices) == (right.texts, right.histograms, right.notices)


@pytest.mark.requirement("B1")
@settings(max_examples=400, deadline=None)
@given(document=_matrix(ODD))
def test_fast_parse_equals_plain_json(document: dict[str, Any]) -> None:
    for body in (orjson.dumps(document), json.dumps(document).encode(), json.dumps(document, indent=1).encode()):
        _same(parse_answer(body), parse_plainly(body))


@settings(max_examples=200, deadline=None)
@given(document=_matrix(NUMBERS))
def test_what_servers_write_takes_the_fast_way(document: dict[str, Any]) -> None:
    for series in document["data"]["result"]:
        series["values"] = series.pop("values")  # servers write the labels first
    fast = _parse_by_columns(orjson.dumps(document))
    if any(series["values"] for series in document["data"]["result"]):
        assert fast is not None
        numbers = [float(value) for series in document["data"]["result"] for _, value in series["values"]]
        np.testing.assert_array_equal(fast.values, numbers)


def _success(kind: str, result: object) -> bytes:
    return orjson.dumps({"status": "success", "data": {"resultType": kind, "result": result}})


def test_a_vector_is_one_sample_per_series() -> None:
    answer = parse_answer(
        _success(
            "vector", [{"metric": {"pod": "a"}, "value": [1700000000.5, "3"]}, {"metric": {}, "value": [1, "NaN"]}]
        )
    )
    assert answer.metrics == [{"pod": "a"}, {}]
    assert answer.counts.tolist() == [1, 1]
    assert answer.epoch_s.tolist() == [1700000000.5, 1.0]
    assert answer.values[0] == 3
    assert math.isnan(answer.values[1])


def test_a_scalar_is_one_series_without_labels() -> None:
    answer = parse_answer(_success("scalar", [1700000000, "42"]))
    assert (answer.metrics, answer.values.tolist()) == ([{}], [42.0])


def test_a_string_and_text_samples_are_kept_apart() -> None:
    assert parse_answer(_success("string", [1700000000, "hello"])).texts[0].raw_value == "hello"
    answer = parse_answer(_success("matrix", [{"metric": {"a": "b"}, "values": [[1, "1"], [2, "oops"], [3, "3"]]}]))
    assert answer.values.tolist() == [1, 3]
    assert [(text.series_index, text.epoch_s, text.raw_value) for text in answer.texts] == [(0, 2.0, "oops")]


def test_a_value_of_64_kilobytes_and_a_series_without_samples_pass() -> None:
    long = 'ü"\\\n' * 16_384
    answer = parse_answer(
        _success("matrix", [{"metric": {"l": long}, "values": [[1, "1"]]}, {"metric": {"l": "x"}, "values": []}])
    )
    assert answer.metrics[0]["l"] == long
    assert answer.counts.tolist() == [1, 0]


def test_the_error_document_is_told_in_the_words_of_the_server() -> None:
    with pytest.raises(RefusedQueryError, match="bad_data: parse error"):
        parse_answer(b'{"status":"error","errorType":"bad_data","error":"parse error"}')


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>login</html>", b"[]", b"{}", b"null", b"7",
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"],[2,"2"',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"values":[[1,"1"]]}]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":7}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1]]}]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":[],"values":[[1,"2"]]}]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":1},"values":[[1,"2"]]}]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[["x","2"]]}]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[null,"2"]]}]}}',
    ],
)  # fmt: skip
def test_anything_else_is_not_an_answer(body: bytes) -> None:
    with pytest.raises(NotAnAnswerError):
        parse_answer(body)
