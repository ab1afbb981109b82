"""Durations and instants as people type them."""

from __future__ import annotations

import pytest

from domain.errors import InputDataError
from resources.simulator.moments import parse_duration_s, parse_moment_s


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("1h30m", 5400), ("2d", 172_800), ("0.5h", 1800)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "-5m", "10 m", "0s", "5y"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InputDataError) as caught:
        parse_duration_s(text)
    assert "10m" in caught.value.suggestion


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("+5m", 1300),
        ("-10s", 990),
        ("1970-01-01T00:10Z", 600),
        ("1970-01-01T01:00+01:00", 0),
        ("1970-01-01 00:00:07", 7),
    ],
)
def test_moments(text: str, seconds: float) -> None:
    assert parse_moment_s(text, now_s=1000.0) == seconds


def test_what_is_no_moment_is_refused() -> None:
    with pytest.raises(InputDataError, match="tomorrow"):
        parse_moment_s("tomorrow", now_s=0.0)
