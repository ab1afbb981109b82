"""Memory stays bounded whatever the cardinality: the highest series stay, the rest is counted."""

from __future__ import annotations

import orjson
import polars as pl
import pytest

from domain.loaders.definition import Metric
from resources.answer_collector import AnswerCollector
from resources.series_rows import EXPLOSION_FACTOR, ROWS_SCHEMA, SeriesRows

QUERY = Metric(metric_name="m")


def _page(*rows: tuple[int, int, float]) -> pl.DataFrame:
    texts = [(orjson.dumps({"pod": str(pod)}).decode(), at, value) for pod, at, value in rows]
    return pl.DataFrame(texts, schema=ROWS_SCHEMA, orient="row")


def _pods(found: AnswerCollector) -> dict[str, float]:
    answer = found.build()
    table = answer.points.group_by("series_index").agg(pl.col("metric_value").max())
    return {answer.series[index].labels["pod"]: value for index, value in table.rows()}


def test_below_the_guard_everything_is_kept() -> None:
    rows, found = SeriesRows(QUERY, max_series=2), AnswerCollector()
    for pod in range(2 * EXPLOSION_FACTOR):
        rows.add_page(_page((pod, 0, pod), (pod, 1, pod)))
    rows.hand_over(found)
    assert len(_pods(found)) == 2 * EXPLOSION_FACTOR
    assert found.build().dropped_series == 0
    assert found.build().points.height == 4 * EXPLOSION_FACTOR


@pytest.mark.requirement("B8")
def test_beyond_it_the_highest_stay_and_the_rest_is_counted_once() -> None:
    rows, found = SeriesRows(QUERY, max_series=3), AnswerCollector()
    rows.add_page(_page(*((pod, 0, 10_000.0 + pod) for pod in range(3))))
    for pod in range(3, 1_000):
        rows.add_page(_page((pod, 0, pod)))
    rows.add_page(_page((3, 1, 99_999.0)))  # dropped before, so it stays dropped
    rows.hand_over(found)
    kept = _pods(found)
    assert {"0", "1", "2"} <= kept.keys()
    assert "3" not in kept
    assert len(kept) + found.build().dropped_series == 1_000
    assert len(kept) <= EXPLOSION_FACTOR * 3


def test_a_series_still_coming_in_is_not_judged() -> None:
    rows, found = SeriesRows(QUERY, max_series=1), AnswerCollector()
    rows.add_page(
        _page(*((pod, 0, 100.0 + pod) for pod in range(EXPLOSION_FACTOR + 1)), (999, 0, 1.0)),
        unfinished=['{"pod":"999"}'],
    )
    rows.add_page(_page((999, 1, 500.0)))
    rows.hand_over(found)
    assert _pods(found) == {str(EXPLOSION_FACTOR): 100.0 + EXPLOSION_FACTOR, "999": 500.0}


def test_two_values_of_one_series_at_one_instant_are_noticed() -> None:
    rows = SeriesRows(QUERY, max_series=5)
    rows.add_page(_page((1, 0, 1.0), (1, 1, 1.0)))
    assert not rows.has_doubles()
    rows.add_page(_page((1, 1, 2.0)))
    assert rows.has_doubles()


def test_no_rows_are_an_empty_answer() -> None:
    found = AnswerCollector()
    SeriesRows(QUERY, max_series=5).hand_over(found)
    assert found.build().points.is_empty()
