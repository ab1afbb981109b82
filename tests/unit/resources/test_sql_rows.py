"""Types of database drivers as numbers, instants and label texts."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from domain.errors import SourceQueryError
from resources.sql_rows import parse_instants, parse_label_texts, parse_numbers

pytestmark = pytest.mark.requirement("B4")

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
NOON_US = int(NOON.timestamp()) * 1_000_000


def test_numbers_of_every_type() -> None:
    assert parse_numbers([1, 2, 3]).to_list() == [1.0, 2.0, 3.0]
    assert parse_numbers([Decimal("1.25"), Decimal("-3.5")]).to_list() == [1.25, -3.5]
    assert parse_numbers([True, False]).to_list() == [1.0, 0.0]
    assert parse_numbers([1, 2.5, Decimal("0.5"), True]).to_list() == [1.0, 2.5, 0.5, 1.0]
    assert parse_numbers([2**80, 1]).to_list() == [float(2**80), 1.0]
    assert parse_numbers([math.inf, -math.inf]).to_list() == [math.inf, -math.inf]


@pytest.mark.requirement("B7")
def test_null_is_not_a_number_and_text_is_no_value_at_all() -> None:
    assert all(math.isnan(value) for value in parse_numbers([None, None]))
    values = parse_numbers([1, None, "12", b"x", NOON]).to_list()
    assert values[0] == 1
    assert math.isnan(values[1])
    assert values[2:] == [None, None, None]
    assert parse_numbers(["a", "b"]).to_list() == [None, None]


def test_aware_instants_of_any_zone_and_text() -> None:
    east = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    values = [NOON, east, "2026-11-01T12:00:00Z", "2026-11-01 12:00:00+00:00", None, "soon", 5]
    assert parse_instants(values, dialect_time="aware").to_list() == [NOON_US] * 4 + [None] * 3


def test_naive_instants_are_utc_only_if_the_query_says_so() -> None:
    naive = NOON.replace(tzinfo=None)
    assert parse_instants([naive, "2026-11-01 12:00:00"], dialect_time="naive_utc").to_list() == [NOON_US] * 2
    assert parse_instants([date(2026, 11, 1)], dialect_time="naive_utc").to_list() == [NOON_US - 12 * 3_600_000_000]
    with pytest.raises(SourceQueryError, match="without a time zone") as caught:
        parse_instants([naive], dialect_time="aware")
    assert "naive_utc" in caught.value.suggestion


def test_epoch_seconds_keep_their_fraction() -> None:
    seconds = NOON_US // 1_000_000
    values = [seconds, seconds + 0.25, Decimal(seconds), None, "x"]
    assert parse_instants(values, dialect_time="epoch_s").to_list() == [NOON_US, NOON_US + 250_000, NOON_US, None, None]


def test_labels_are_texts_and_null_is_absent() -> None:
    assert parse_label_texts(["a", None, 'q"\n']).to_list() == ["a", None, 'q"\n']
    values = [1, 2.5, True, None, Decimal("1.50"), b"\x00\xff", NOON]
    assert parse_label_texts(values).to_list() == [
        "1",
        "2.5",
        "true",
        None,
        "1.50",
        "00ff",
        "2026-11-01T12:00:00+00:00",
    ]
