"""Numbers and instants as Prometheus writes them."""

from __future__ import annotations

import math

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.simulator.answer_format import format_instants, format_matrix, format_values
from resources.simulator.promql.values import Vector


@given(st.lists(st.floats(allow_subnormal=False), max_size=20))
def test_every_number_reads_back_and_has_no_exponent(numbers: list[float]) -> None:
    texts = format_values(np.array(numbers, dtype=np.float64))
    assert len(texts) == len(numbers)
    for text, number in zip(texts, numbers, strict=True):
        assert "e" not in text.lower()
        assert math.isnan(number) if text == "NaN" else float(text) == number


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1.0, "1"),
        (0.1, "0.1"),
        (1e-7, "0.0000001"),
        (1e21, "1000000000000000000000"),
        (-0.0, "-0"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
    ],
)
def test_numbers_look_as_prometheus_writes_them(number: float, text: str) -> None:
    assert format_values(np.array([number])) == [text]


def test_instants_are_seconds_with_milliseconds_only_where_needed() -> None:
    assert format_instants(np.array([1_700_000_000_000, 1_700_000_000_005])) == ["1700000000", "1700000000.005"]


def test_gaps_are_left_out_and_series_sorted() -> None:
    vector = Vector(
        [{"a": "2"}, {"a": '1"'}], np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[True, False], [True, True]])
    )
    body = orjson.loads(format_matrix(vector, np.array([1000, 2000])))
    assert body["data"]["result"] == [
        {"metric": {"a": '1"'}, "values": [[1, "3"], [2, "4"]]},
        {"metric": {"a": "2"}, "values": [[1, "1"]]},
    ]
