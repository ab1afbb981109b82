"""What may be pushed: good rows pass exactly, every bad one is refused with its row, field and reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import InputDataError
from domain.loaders.definition import LoaderDefinition
from domain.push import ParsedBatch, parse_batch

NOW = datetime(2026, 3, 10, 12, 0, 0, 123_457, tzinfo=UTC)


def loader(**changes: object) -> LoaderDefinition:
    body: dict[str, object] = {
        "code": "DEMO-PUSH", "title": "t", "source": "push", "connection": "push", "schedule": "* * * * *", "step_s": 1,
        "push": [{"metric_name": "orders"}, {"metric_name": "refunds"}],
    }  # fmt: skip
    return LoaderDefinition.model_validate({**body, **changes})


def parse(body: bytes, **changes: object) -> ParsedBatch:
    return parse_batch(body, loader(**changes), now=NOW, max_rows=100, max_age=timedelta(days=90))


def parse_row(**fields: object) -> ParsedBatch:
    return parse(orjson.dumps({"signals": [{"metric_name": "orders", "metric_value": 1, **fields}]}))


@pytest.mark.requirement("A17")
def test_good_rows_pass_and_bad_ones_are_named_with_their_number() -> None:
    rows = [
        {
            "metric_name": "orders",
            "labels": {"b": "2", "a": "1"},
            "metric_value": 3,
            "captured_at": "2026-03-10T12:00:00+01:00",
        },
        {"metric_name": "unknown", "metric_value": 1},
        {"metric_name": "refunds", "metric_value": 2.5, "captured_at": 1773140000.5},
    ]
    batch = parse(orjson.dumps({"signals": rows}))
    first, second = batch.good.rows()
    assert first == ("orders", '{"a":"1","b":"2"}', datetime(2026, 3, 10, 11, 0, tzinfo=UTC), 3.0)
    assert second[2:] == (datetime(2026, 3, 10, 10, 53, 20, 500_000, tzinfo=UTC), 2.5)
    assert batch.refused == [(1, "metric_name", "DEMO-PUSH accepts only orders, refunds")]
    assert batch.received == 3


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"metric_name": 5}, "metric_name", "text"),
        ({"metric_name": None}, "metric_name", "text"),
        ({"labels": {"a": "x\0y"}}, "labels", "NUL"),
        ({"labels": {"a\0": "x"}}, "labels", "NUL"),
        ({"metric_name": "Bad Name"}, "metric_name", "text matching"),
        ({"metric_name": "x" * 129}, "metric_name", "text matching"),
        ({"labels": []}, "labels", "object of texts"),
        ({"labels": None}, "labels", "object of texts"),
        ({"labels": {"n": 1}}, "labels", "object of texts"),
        ({"labels": {"n": {"deep": "x"}}}, "labels", "object of texts"),
        ({"metric_value": "1"}, "metric_value", "number"),
        ({"metric_value": None}, "metric_value", "number"),
        ({"metric_value": True}, "metric_value", "number"),
        ({"captured_at": "2026-03-10T12:00:00"}, "captured_at", "with zone"),
        ({"captured_at": "yesterday"}, "captured_at", "ISO 8601"),
        ({"captured_at": True}, "captured_at", "ISO 8601"),
        ({"captured_at": 1e300}, "captured_at", "ISO 8601"),
        ({"captured_at": [1]}, "captured_at", "ISO 8601"),
        ({"captured_at": "2026-03-10T12:01:01Z"}, "captured_at", "future"),
        ({"captured_at": "2025-12-01T00:00:00Z"}, "captured_at", "90 days"),
        ({"captured_at": -1}, "captured_at", "90 days"),
        ({"timestamp": "2026-03-10T12:00:00Z"}, "timestamp", "captured_at"),
    ],
)
def test_each_fault_of_a_row_has_its_reason(fields: dict[str, object], field: str, words: str) -> None:
    batch = parse_row(**fields)
    assert batch.good.is_empty()
    ((row, found, reason),) = batch.refused
    assert (row, found) == (0, field)
    assert words in reason


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b'{"signals": [', "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b'{"signals": [{"metric_name": "orders", "metric_value": NaN}]}', "not JSON"),
        (b'{"signals": [{"metric_name": "orders", "metric_value": Infinity}]}', "not JSON"),
        (b'{"signals": [{"metric_name": "orders", "metric_value": 1e999}]}', "not JSON"),
        (b"[]", "no list `signals`"),
        (b'"text"', "no list `signals`"),
        (b'{"signal": []}', "no list `signals`"),
        (b'{"signals": {}}', "no list `signals`"),
        (b'{"signals": [1]}', "no list `signals`"),
        (b'{"signals": []}', "empty"),
        (orjson.dumps({"signals": [{}] * 101}), "101 signals in one batch, at most 100"),
    ],
)
def test_a_body_of_another_shape_is_refused_as_a_whole(body: bytes, words: str) -> None:
    with pytest.raises(InputDataError) as refused:
        parse(body)
    assert words in refused.value.reason
    assert refused.value.suggestion


def test_without_an_instant_a_row_is_of_now_to_the_microsecond() -> None:
    assert parse_row().good["captured_at"].to_list() == [NOW]
    assert parse_row(captured_at=None).good["captured_at"].to_list() == [NOW]


def test_any_metric_is_taken_where_the_loader_says_so() -> None:
    body = orjson.dumps({"signals": [{"metric_name": "whatever", "metric_value": 1}]})
    assert parse(body, accepts_any_metric=True).good.height == 1


@given(st.datetimes(datetime(2026, 1, 1), datetime(2026, 3, 10)), st.integers(-840, 840))  # noqa: DTZ001 - drawn naive
@settings(deadline=None)
def test_instants_of_every_zone_are_exact(at: datetime, minutes: int) -> None:
    sent = at.replace(tzinfo=UTC).astimezone(timezone(timedelta(minutes=minutes)))
    assert parse_row(captured_at=sent.isoformat()).good["captured_at"].to_list() == [at.replace(tzinfo=UTC)]


@given(st.dictionaries(st.text(max_size=10), st.text(max_size=200), max_size=5))
@settings(deadline=None)
def test_any_label_text_passes_unchanged(labels: dict[str, str]) -> None:
    try:
        body = orjson.dumps({"signals": [{"metric_name": "orders", "metric_value": 1, "labels": labels}]})
    except TypeError:  # lone surrogates are no text that JSON can carry
        return
    batch = parse(body)
    if "\0" in "".join([*labels, *labels.values()]):
        assert batch.refused == [(0, "labels", "no name or value may hold a NUL character")]
    else:
        assert orjson.loads(batch.good["labels"][0]) == labels


def test_a_label_of_64_kb_is_accepted_here_and_judged_at_capture() -> None:
    assert orjson.loads(parse_row(labels={"v": "ä" * 32_768}).good["labels"][0]) == {"v": "ä" * 32_768}
