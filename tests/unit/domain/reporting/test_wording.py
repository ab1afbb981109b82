"""Numbers as a reader sees them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.reporting.report import Figure, Target, Verdict
from domain.reporting.wording import describe_change, format_count, format_value, is_better, join_names

UPTIME = Target(99.9, 99.5, is_higher_better=True)


def uptime(value: float | None, previous: float | None = None) -> Figure:
    return Figure(
        key="uptime_pct",
        title="Uptime",
        value=value,
        unit="%",
        counted="{numerator} of {denominator} hours",
        numerator=167.5,
        denominator=168,
        previous=previous,
        target=UPTIME,
    )


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (100.0, "%", "100 %"),
        (99.99996, "%", "99.999 %"),
        (99.87, "%", "99.87 %"),
        (0.0, "%", "0 %"),
        (0.004, "%", "0.004 %"),
        (83.333, "%", "83.3 %"),
        (1234567.0, "ms", "1\u202f234\u202f567 ms"),
        (None, "%", "not known"),
        (2.4, "", "2.4"),
    ],
)
def test_values_keep_the_digits_that_matter(value: float | None, unit: str, text: str) -> None:
    assert format_value(value, unit) == text


@given(st.floats(0, 100, exclude_max=True))
def test_less_than_everything_never_reads_as_100_percent(value: float) -> None:
    if value < 100 - 1e-9:
        assert format_value(value, "%") != "100 %"


def test_counts_are_grouped() -> None:
    assert format_count(13_098) == "13\u202f098"
    assert format_count(105_300_000) == "105.3 million"


def test_a_sentence_has_value_denominator_and_comparison() -> None:
    assert describe_change(uptime(99.702, 100.0), "week") == (
        "Uptime was 99.70 % (167.5 of 168 hours), down from 100 % the week before, a deterioration."
    )
    assert "not known" in describe_change(uptime(None), "week")
    assert "nothing is known of the week before" in describe_change(uptime(99.9), "week")
    assert "unchanged" in describe_change(uptime(99.9, 99.9), "week")


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(99.95, Verdict.GOOD), (99.9, Verdict.GOOD), (99.6, Verdict.WATCH), (99.4, Verdict.BAD), (None, Verdict.UNKNOWN)],
)
def test_the_light_follows_the_target(value: float | None, verdict: Verdict) -> None:
    assert uptime(value).verdict is verdict


def test_a_lower_error_rate_is_better() -> None:
    target = Target(1.0, 2.0, is_higher_better=False)
    rate = Figure(key="e", title="Error rate", value=0.5, unit="%", counted="", previous=1.5, target=target)
    assert is_better(rate) is True
    assert rate.verdict is Verdict.GOOD


def test_names_are_joined_as_people_write_them() -> None:
    assert join_names(["a"]) == "a"
    assert join_names(["a", "b", "c"]) == "a, b and c"
