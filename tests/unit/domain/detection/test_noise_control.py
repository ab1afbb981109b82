"""Flapping, matchers, silences, windows and inhibition, without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.detection.flapping import Flapping, FlappingLimits, decide_flapping
from domain.detection.inhibition import InhibitionRule, decide_inhibitions
from domain.detection.matchers import matching, parse_matcher, parse_matchers, require_narrow
from domain.detection.silencing import (
    MaintenanceWindow,
    NoisyMetric,
    Silence,
    check_recurrence,
    decide_suppressions,
    starts_after,
)
from domain.errors import InputDataError

pytestmark = pytest.mark.requirement("D7")
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
LIMITS = FlappingLimits()


def after(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def test_six_changes_in_half_an_hour_flap_and_two_are_quiet() -> None:
    state = decide_flapping(Flapping(), [after(k) for k in range(5)], now=after(5), limits=LIMITS)
    assert not state.is_flapping
    state = decide_flapping(state, [after(6)], now=after(6), limits=LIMITS)
    assert (state.is_flapping, state.since) == (True, after(6))
    still = decide_flapping(state, [], now=after(32.5), limits=LIMITS)  # three left
    assert (still.is_flapping, len(still.changes), still.since) == (True, 3, after(6))
    assert not decide_flapping(still, [], now=after(33.5), limits=LIMITS).is_flapping


@given(st.lists(st.integers(0, 7200), max_size=60))
def test_between_the_limits_it_stays_what_it_was(seconds: list[int]) -> None:
    state, was = Flapping(), False
    for second in sorted(seconds):
        state = decide_flapping(
            state, [NOON + timedelta(seconds=second)], now=NOON + timedelta(seconds=second), limits=LIMITS
        )
        assert state.is_flapping == (len(state.changes) >= LIMITS.on_at or (was and len(state.changes) > LIMITS.off_at))
        was = state.is_flapping


def test_off_below_on() -> None:
    with pytest.raises(ValueError, match="below"):
        FlappingLimits(on_at=4, off_at=4)


LABELS = [{"service": "loader", "pod": "loader-1"}, {"service": "auth"}, {}]


@pytest.mark.parametrize(
    ("written", "accepted"),
    [
        ("service=loader", [True, False, False]),
        ('service!="loader"', [False, True, True]),
        ("service=~load.*", [True, False, False]),
        ("service=~load", [False, False, False]),
        ('service!~"l.*|a.*"', [False, False, True]),
        ("pod=", [False, True, True]),
        ("pod=~", [False, True, True]),
    ],
)
def test_matchers_are_alertmanagers(written: str, accepted: list[bool]) -> None:
    assert matching([parse_matcher(written)], LABELS).tolist() == accepted


@pytest.mark.parametrize(
    "written", ["", "loader", "=x", "ser vice=x", "service=~(", "service=~a)|(b", "1a=b", "a=~" + "x" * 1001]
)
def test_what_is_no_matcher_is_refused_with_a_reason(written: str) -> None:
    with pytest.raises(InputDataError, match="matcher"):
        parse_matcher(written)


@pytest.mark.timeout(5)
def test_a_regex_bomb_takes_no_time() -> None:
    bomb = parse_matcher("service=~(a+)+$")
    assert matching([bomb], [{"service": "a" * 50_000 + "!"}]).tolist() == [False]


@pytest.mark.parametrize("raw", [[{"label": "a", "op": "~", "value": "x"}], [{"label": "a"}], [{"x": 1}]])
def test_matchers_out_of_json_are_checked(raw: list[dict[str, object]]) -> None:
    with pytest.raises(InputDataError):
        parse_matchers(raw)


@pytest.mark.parametrize("written", [[], ["service=~.*"], ["pod!=x", "service!~y"]])
def test_nothing_silences_everything(written: list[str]) -> None:
    with pytest.raises(InputDataError, match="every alert"):
        require_narrow([parse_matcher(one) for one in written], what="this silence")


def window(cron: str, hours: float, zone: str = "Europe/Berlin") -> MaintenanceWindow:
    matchers = (parse_matcher("service=loader"),)
    return MaintenanceWindow(1, "w", matchers, "r", "ann", cron=cron, duration_s=int(hours * 3600), time_zone=zone)


def berlin(*parts: int, fold: int = 0) -> datetime:
    return datetime(*parts, tzinfo=ZoneInfo("Europe/Berlin"), fold=fold).astimezone(UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("at", "is_open"),
    [
        (berlin(2026, 1, 10, 2, 0), True),  # Saturdays at two, two hours
        (berlin(2026, 1, 10, 3, 59), True),
        (berlin(2026, 1, 10, 4, 0), False),
        (berlin(2026, 1, 10, 1, 59), False),
        (berlin(2026, 7, 11, 2, 30), True),  # in summer too: two by the clock on the wall
        (berlin(2026, 7, 12, 2, 30), False),
    ],
)
def test_a_window_recurs_by_the_clock_on_the_wall(at: datetime, is_open: bool) -> None:
    assert (window("0 2 * * 6", 2).ends_after(at) is not None) == is_open


def test_a_window_in_the_hour_that_does_not_exist_begins_as_much_later() -> None:
    nightly = window("30 2 * * *", 1)
    assert nightly.ends_after(datetime(2026, 3, 29, 1, 29, tzinfo=UTC)) is None
    assert nightly.ends_after(datetime(2026, 3, 29, 1, 30, tzinfo=UTC)) == datetime(2026, 3, 29, 2, 30, tzinfo=UTC)


def test_a_window_in_the_hour_that_comes_twice_happens_once() -> None:
    nightly = window("30 2 * * *", 0.5)
    assert nightly.ends_after(berlin(2026, 10, 25, 2, 45)) is not None
    assert nightly.ends_after(berlin(2026, 10, 25, 2, 45, fold=1)) is None
    hourly = window("30 * * * *", 0.5)
    assert hourly.ends_after(berlin(2026, 10, 25, 2, 45, fold=1)) is not None


def test_a_window_keeps_its_length_over_the_change_of_the_clocks() -> None:
    long = window("0 1 * * *", 3)
    assert long.ends_after(berlin(2026, 3, 29, 1, 30)) == berlin(2026, 3, 29, 1, 0) + timedelta(hours=3)
    assert long.ends_after(berlin(2026, 10, 25, 1, 30)) == berlin(2026, 10, 25, 1, 0) + timedelta(hours=3)


def test_a_cron_line_that_never_comes_opens_nothing() -> None:
    assert window("0 0 30 2 *", 1).ends_after(NOON) is None


@pytest.mark.parametrize(
    ("cron", "seconds", "zone"),
    [("* * *", 600, "UTC"), ("0 2 * * 9", 600, "UTC"), ("0 2 * * *", 5, "UTC"), ("0 2 * * *", 10**7, "UTC"),
     ("0 2 * * *", 600, "Mars/Base"), ("0 2 * * *", 600, "../../etc/passwd"), ("0 2 * * *", 600, "")],
)  # fmt: skip
def test_recurrences_that_make_no_sense(cron: str, seconds: int, zone: str) -> None:
    with pytest.raises(InputDataError):
        check_recurrence(cron, seconds, zone)


@pytest.mark.requirement("D8")
def test_of_several_reasons_the_planned_work_is_named_and_each_names_who_and_why() -> None:
    silence = Silence(7, (parse_matcher("service=~loader|auth"),), after(-5), after(5), "known", "bob")
    work = MaintenanceWindow(3, "move", (parse_matcher("service=loader"),), "new disk", "ann", after(-1), after(1))
    noisy = NoisyMetric("chatty", (parse_matcher("service=cache"),), "always so", "eve")
    labels = [{"service": "loader"}, {"service": "auth"}, {"service": "cache", "rule": "chatty"}, {"service": "cache"}]
    found = decide_suppressions(labels, windows=[work], silences=[silence], noisy=[noisy], at=NOON)
    assert [one and one.mark for one in found] == ["maintenance:3", "silence:7", "allow-list", None]
    assert found[1] is not None
    assert "bob" in found[1].reason
    assert found[1].until == after(5)
    later = decide_suppressions(labels, windows=[work], silences=[silence], noisy=[], at=after(5))
    assert later == [None] * 4


POOL = {"metric": "db_pool_pct", "service": "loader", "severity": "HIGH"}
SLOW = {"metric": "http_latency_p99_ms", "service": "loader", "severity": "HIGH"}
RULE = InhibitionRule(name="pool", source=["metric=~db_pool.*"], target=["metric=~http_.*"], equal=["service"])  # type: ignore[list-item]


def test_a_symptom_is_quiet_while_its_cause_fires_for_the_same_service_only() -> None:
    targets = [SLOW, {**SLOW, "service": "auth"}, POOL]
    assert decide_inhibitions([RULE], targets=targets, sources=[POOL]) == [(0, "pool"), None, None]
    assert decide_inhibitions([RULE], targets=targets, sources=[]) == [None, None, None]


def test_nothing_inhibits_itself() -> None:
    both = InhibitionRule(name="x", source=["service=loader"], target=["service=loader"])  # type: ignore[list-item]
    assert decide_inhibitions([both], targets=[POOL, SLOW], sources=[POOL, SLOW]) == [None, None]


def test_the_next_beginnings_follow_the_wall_clock_over_a_change_of_the_clocks() -> None:
    before = datetime(2026, 3, 28, 12, tzinfo=UTC)  # the night after it, Berlin's clocks jump from 2 to 3
    found = starts_after("30 2 * * *", "Europe/Berlin", before, most=3)
    assert [f"{one:%d %H:%M}" for one in found] == ["29 01:30", "30 00:30", "31 00:30"]
    assert starts_after("0 0 30 2 *", "UTC", before) == [], "30 February"
    hours = starts_after("0 * * * *", "UTC", before, most=2)
    assert hours == [before + timedelta(hours=1), before + timedelta(hours=2)]
