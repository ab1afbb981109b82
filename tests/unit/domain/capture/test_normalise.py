"""The stated rules for every value that is not simply good, and the digest that tells whether a window changed."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta

import numpy as np
import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.answers import ANSWER_POINTS_SCHEMA, Answer, AnswerSeries, QuarantinedRow, empty_answer
from domain.capture.normalise import CapturedRange, normalise_answer
from domain.capture.windows import WindowRange, compute_windows_touching
from domain.loaders.definition import LoaderDefinition
from domain.signals import TIMESTAMP
from domain.vocabulary import QuarantineReason

START = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
NOW = START + timedelta(hours=2)


def definition(**changes: object) -> LoaderDefinition:
    body: dict[str, object] = {
        "code": "DEMO-A", "title": "t", "source": "prometheus", "connection": "p", "schedule": "*/5 * * * *", "step_s": 60,
        "prometheus": [
            {"metric_name": "requests", "promql": "up"}, {"metric_name": "total", "promql": "up", "kind": "counter"},
        ],
    }  # fmt: skip
    return LoaderDefinition.model_validate({**body, **changes})


def windows(minutes: int = 15, start: datetime = START) -> WindowRange:
    found = compute_windows_touching("*/5 * * * *", start=start, end=start + timedelta(minutes=minutes))
    assert found is not None
    return found


def points(*rows: tuple[int, float, float | None]) -> pl.DataFrame:
    """Rows of (series index, minutes after START, value)."""
    found = [(i, START + timedelta(minutes=m), v) for i, m, v in rows]
    return pl.DataFrame(found, schema=ANSWER_POINTS_SCHEMA, orient="row")


def answer(
    *rows: tuple[int, float, float | None], labels: list[dict[str, str]] | None = None, name: str = "requests"
) -> Answer:
    given_labels = labels or [{"n": str(n)} for n in range(1 + max((row[0] for row in rows), default=0))]
    return Answer([AnswerSeries(name, one) for one in given_labels], points(*rows))


def captured(one: Answer, *, spans: WindowRange | None = None, **changes: object) -> CapturedRange:
    return normalise_answer(definition(**changes), one, windows=spans or windows(), now=NOW)


def reasons(found: CapturedRange) -> list[str]:
    return found.quarantine["reason"].to_list()


@pytest.mark.requirement("B7")
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (math.nan, QuarantineReason.NOT_A_NUMBER),
        (None, QuarantineReason.NOT_A_NUMBER),
        (math.inf, QuarantineReason.INFINITE),
        (-math.inf, QuarantineReason.INFINITE),
    ],
)
def test_what_is_no_finite_number_goes_to_quarantine(value: float | None, reason: QuarantineReason) -> None:
    found = captured(answer((0, 1, value), (0, 2, 5.0)))
    assert found.signals["metric_value"].to_list() == [5.0]
    assert reasons(found) == [reason.value]
    assert found.windows["quarantined_rows"].to_list() == [1, 0, 0]


@pytest.mark.requirement("B7")
def test_clock_skew_is_accepted_up_to_the_tolerance_and_then_said() -> None:
    spans = windows(150)
    found = captured(answer((0, 120.9, 1.0), (0, 121.1, 2.0)), spans=spans, future_tolerance_s=60)
    assert found.signals["metric_value"].to_list() == [1.0]
    assert reasons(found) == ["IN_THE_FUTURE"]
    assert "accepted until 2026-03-10T14:01:00+00:00" in found.quarantine["detail"][0]


@pytest.mark.requirement("B7")
def test_points_outside_of_what_was_asked_are_set_aside() -> None:
    found = captured(answer((0, -1, 1.0), (0, 0, 2.0), (0, 15, 3.0)))
    assert found.signals["metric_value"].to_list() == [2.0]
    assert reasons(found) == ["OUTSIDE_WINDOW", "OUTSIDE_WINDOW"]
    assert found.windows["quarantined_rows"].sum() == 0, "they belong to no window of this range"


@pytest.mark.requirement("B7")
def test_of_two_values_at_one_instant_the_later_delivered_stays() -> None:
    found = captured(answer((0, 1, 1.0), (0, 1, 2.0), (0, 1, 2.0), (0, 2, 7.0), (0, 2, 7.0)))
    assert found.signals["metric_value"].to_list() == [2.0, 7.0]
    assert found.quarantine.select("reason", "raw_value", "detail").rows() == [
        ("DUPLICATE_TIMESTAMP", "1.0", "the later delivered value 2.0 was kept")
    ]


@pytest.mark.requirement("B7")
def test_a_counter_reset_is_kept_and_counted() -> None:
    rows = [(0, 1, 100.0), (0, 2, 110.0), (0, 3, 3.0), (0, 6, 9.0), (0, 7, 1.0)]
    as_counter = captured(answer(*rows, name="total"))
    assert as_counter.signals["metric_value"].to_list() == [100.0, 110.0, 3.0, 9.0, 1.0]
    assert as_counter.windows["counter_resets"].to_list() == [1, 1, 0]
    assert captured(answer(*rows)).windows["counter_resets"].sum() == 0, "a gauge may fall"


def test_an_empty_answer_gives_one_row_of_zeros_per_window() -> None:
    found = captured(empty_answer())
    assert found.windows.drop("window").rows() == [(0, 0, 0, 0, 0)] * 3
    assert found.signals.is_empty()
    assert found.series.is_empty()


@pytest.mark.parametrize(
    "value", ['a"b', "a\nb", "a\\b", "Größe ☃ 日本", "a\x00b", "", "{}", "'; DROP TABLE series; --", "é\u0301🇩🇪"]
)
def test_any_text_is_a_label_value_and_keeps_its_identity(value: str) -> None:
    found = captured(answer((0, 1, 1.0), (1, 1, 2.0), labels=[{"v": value}, {"v": value + "x"}]))
    texts = found.series["labels"].to_list()
    assert [orjson.loads(text)["v"] for text in texts] == [value, value + "x"]
    assert found.series["series_id"].n_unique() == 2


@pytest.mark.requirement("B7")
def test_a_label_of_64_kb_is_shortened_stays_unique_and_is_kept_whole_in_quarantine() -> None:
    long = "ä" * 32_768
    found = captured(
        answer((0, 1, 1.0), (1, 1, 2.0), labels=[{"v": long}, {"v": long[:-1] + "b"}]), max_label_bytes=100
    )
    kept = [orjson.loads(text)["v"] for text in found.series["labels"]]
    assert all(len(one.encode()) <= 100 for one in kept)
    assert kept[0] != kept[1]
    assert reasons(found) == ["LABEL_TOO_LONG", "LABEL_TOO_LONG"]
    assert found.quarantine["raw_value"][0] == long
    assert "65536 bytes" in found.quarantine["detail"][0]


@pytest.mark.requirement("B8")
def test_a_million_series_are_cut_to_the_largest_and_counted() -> None:
    many = 1_000_000
    frame = pl.DataFrame({"series_index": np.arange(many, dtype=np.uint32), "metric_value": np.arange(many) * 1.0})
    at = pl.lit(START).cast(TIMESTAMP).alias("captured_at")
    series = [AnswerSeries("requests", {"pod": str(n)}) for n in range(many)]
    found = captured(Answer(series, frame.with_columns(at).select(list(ANSWER_POINTS_SCHEMA))), max_series=1000)
    assert found.signals["metric_value"].min() == many - 1000
    assert (found.series.height, found.signals.height, found.dropped_series) == (1000, 1000, many - 1000)
    assert reasons(found) == ["SERIES_CAP"]
    assert "999000 series over max_series=1000" in found.quarantine["detail"][0]


@pytest.mark.requirement("B8")
def test_what_the_adapter_dropped_is_reported_with_what_was_cut_here() -> None:
    one = answer((0, 1, 1.0), (1, 1, 2.0))
    found = captured(Answer(one.series, one.points, dropped_series=5), max_series=1)
    assert found.dropped_series == 6
    assert found.quarantine["raw_value"].to_list() == ["6"]


def test_rows_the_adapter_could_not_express_keep_their_reason() -> None:
    row = QuarantinedRow("requests", {"b": "1", "a": "2"}, None, "abc", QuarantineReason.NOT_NUMERIC, "no number")
    found = captured(Answer([], points(), quarantined=[row]))
    assert found.quarantine.rows() == [("requests", '{"a":"2","b":"1"}', None, "abc", "NOT_NUMERIC", "no number")]


def test_a_series_carries_unit_kind_and_warning_level_of_its_metric() -> None:
    metric = {"metric_name": "disk", "promql": "up", "unit": "GB", "limit": {"value": 50, "warn_at_pct": 80}}
    one = Answer([AnswerSeries("disk", {}), AnswerSeries("stray", {})], points((0, 1, 1.0), (1, 1, 1.0)))
    rows = captured(one, prometheus=[metric]).series.drop("series_id", "labels").rows()
    assert rows == [("disk", "gauge", "GB", 40.0, 14.0), ("stray", "gauge", "", None, None)]


VALUES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 89), st.floats(-1e9, 1e9)), max_size=60)


@given(VALUES, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_digest_knows_content_not_order_nor_the_range_it_was_fetched_in(
    rows: list[tuple[int, int, float]], chance: random.Random
) -> None:
    unique = list({(i, m): (i, m, v) for i, m, v in rows}.values())
    labels = [{"n": str(n)} for n in range(4)]
    whole = captured(answer(*unique, labels=labels), spans=windows(90)).windows
    shuffled = chance.sample(unique, len(unique))
    again = captured(answer(*shuffled, labels=labels), spans=windows(90)).windows
    assert again.equals(whole)
    first = chance.randrange(18)
    piece = windows(5 * chance.randint(1, 18 - first), START + timedelta(minutes=5 * first))
    inside = [row for row in shuffled if piece.start <= START + timedelta(minutes=row[1]) < piece.end]
    part = captured(answer(*inside, labels=labels), spans=piece).windows
    columns = ["digest", "signal_rows", "series_count", "quarantined_rows"]
    assert part.select(columns).equals(whole.slice(first, piece.count).select(columns))


@given(VALUES.filter(bool), st.data())
@settings(max_examples=60, deadline=None)
def test_a_changed_value_changes_the_digest_of_its_window_alone(
    rows: list[tuple[int, int, float]], data: st.DataObject
) -> None:
    unique = list({(i, m): (i, m, v) for i, m, v in rows}.values())
    labels = [{"n": str(n)} for n in range(4)]
    at = data.draw(st.integers(0, len(unique) - 1))
    index, minute, value = unique[at]
    changed = [*unique[:at], (index, minute, value + 1.0), *unique[at + 1 :]]
    before, after = (
        captured(answer(*one, labels=labels), spans=windows(90)).windows["digest"] for one in (unique, changed)
    )
    assert (before != after).arg_true().to_list() == [minute // 5]
