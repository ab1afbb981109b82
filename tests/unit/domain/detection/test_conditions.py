"""What each condition says, through rules as an author writes them and series in the short form."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from domain.detection.cases import ORIGIN, make_case_window, run_case
from domain.detection.evaluation import evaluate_rules
from domain.detection.rule import Rule
from domain.detection.rule_case import Case


def make_rule(when: dict[str, Any], **fields: Any) -> Rule:
    """A rule on the metric `m`, back to good at once unless it says otherwise."""
    usual = {
        "id": "tested",
        "title": "{service} {value}",
        "severity": "HIGH",
        "category": "data",
        "series": {"metric": "m"},
    }
    return Rule.model_validate({**usual, "recover": {"for_s": 0}, "when": when, **fields})


def events(rule: Rule, *given: dict[str, Any], until_s: float | None = None, **case: Any) -> list[tuple[str, float]]:
    """(status, seconds) of everything the rule says about these series."""
    points = [{"metric": "m", "labels": {"service": "a"}, **one} for one in given]
    window, until = make_case_window(Case.model_validate({"name": "-", "given": points, "until_s": until_s, **case}))
    found = evaluate_rules([rule], window, [], now=until)
    assert not found.failed
    return [(one.status.value, (one.at - ORIGIN).total_seconds()) for one in found.events]


FIRING, RESOLVED = "FIRING", "RESOLVED"


@pytest.mark.parametrize(("op", "bad", "edge"), [(">", 6, 5), (">=", 5, 4.9), ("<", 4, 5), ("<=", 5, 5.1)])
def test_threshold(op: str, bad: float, edge: float) -> None:
    rule = make_rule({"kind": "threshold", "op": op, "value": 5})
    assert events(rule, {"values": [f"{edge}x3", bad, edge]}) == [(FIRING, 180), (RESOLVED, 240)]


def test_between_limit_and_recovery_nothing_changes() -> None:
    rule = make_rule({"kind": "threshold", "op": ">", "value": 80}, recover={"value": 70, "for_s": 60})
    assert events(rule, {"values": [90, 75, 75, 90, 75, 69, 69]}) == [(FIRING, 0), (RESOLVED, 360)]


@pytest.mark.parametrize("back", [81, 100])
def test_a_recovery_value_on_the_bad_side_is_refused(back: float) -> None:
    with pytest.raises(ValidationError, match="bad side"):
        make_rule({"kind": "threshold", "op": ">", "value": 80}, recover={"value": back})


def test_rate_of_a_gauge() -> None:
    rule = make_rule({"kind": "rate", "op": ">", "value": 5, "over_s": 120, "per_s": 60})
    assert events(rule, {"values": ["10x3", "10+6x4"]}) == [(FIRING, 300)]


def test_rate_of_a_counter_counts_on_over_a_restart() -> None:
    when = {"kind": "rate", "op": ">", "value": 4, "over_s": 120, "per_s": 60}
    restarted = {"values": ["1000+10x4", "0+10x4"]}
    assert events(make_rule({**when, "is_counter": True}), restarted) == [(FIRING, 120)]
    assert events(make_rule(when), restarted)[1] == (RESOLVED, 240)


def test_rate_says_nothing_of_the_first_samples_and_over_a_long_gap() -> None:
    rule = make_rule({"kind": "rate", "op": "<", "value": 100, "over_s": 60})
    assert events(rule, {"values": [1, "_x9", 2, 3]}) == [(FIRING, 660)]


RATIO = {"kind": "ratio", "op": ">", "value": 50, "divisor": {"metric": "n"}, "join": ["service"], "min_divisor": 2}


@pytest.mark.parametrize(
    ("share", "whole", "expected"),
    [
        ("6x3", "10x3", [(FIRING, 0)]),
        ("5x3", "10x3", []),
        ("6x3", "0x3", []),
        ("2x3", "1x3", []),
        ("6x3", "_x3", []),
    ],
    ids=["above", "exactly", "zero divisor", "small divisor", "no divisor"],
)
def test_ratio(share: str, whole: str, expected: list[tuple[str, float]]) -> None:
    assert events(make_rule(RATIO), {"values": [share]}, {"metric": "n", "values": [whole]}) == expected


def test_a_ratio_sums_the_divisors_and_joins_by_label() -> None:
    rule = make_rule(RATIO)
    whole = [{"metric": "n", "values": ["5x3"], "labels": {"service": "a", "pod": pod}} for pod in "xy"]
    other = {"values": ["9x3"], "labels": {"service": "b"}}
    assert events(rule, {"values": ["6x3"]}, other, *whole) == [(FIRING, 0)]


def test_a_ratio_that_knows_nothing_any_more_is_over_after_a_while() -> None:
    found = events(make_rule(RATIO, stale_s=300), {"values": ["6x20"]}, {"metric": "n", "values": ["10x3", "0x17"]})
    assert found == [(FIRING, 0), (RESOLVED, 1140)]


@pytest.mark.requirement("D4")
def test_a_series_without_a_baseline_is_unknown_unless_the_rule_says_that_it_fires() -> None:
    silent = make_rule({"kind": "baseline_multiple", "times": 3})
    fires = make_rule({"kind": "baseline_multiple", "times": 3, "min_value": 50, "without_baseline": "fires"})
    assert events(silent, {"values": [10, 900, 10]}) == []
    assert events(fires, {"values": [10, 90, 50, 49]}) == [(FIRING, 60), (RESOLVED, 180)]
    assert events(fires, {"values": [90, 120, 121, 90], "baseline": 40}) == [(FIRING, 120), (RESOLVED, 180)]


def test_baseline_multiple_in_both_directions() -> None:
    above = make_rule({"kind": "baseline_multiple", "times": 3, "min_value": 10})
    below = make_rule({"kind": "baseline_multiple", "op": "<", "times": 0.5})
    assert events(above, {"values": [30, 31], "baseline": 10}) == [(FIRING, 60)]
    assert events(above, {"values": [9, 9], "baseline": 1}) == []
    assert events(above, {"values": [900]}) == []
    assert events(below, {"values": [5, 4.9], "baseline": 10}) == [(FIRING, 60)]


ABSENCE = {"kind": "absence", "absent_s": 180}


def test_absence() -> None:
    assert events(make_rule(ABSENCE), {"values": ["1x3", "_x5", "1x3"]}) == [(FIRING, 300), (RESOLVED, 480)]
    assert events(make_rule(ABSENCE), {"values": ["1x3", "_x2"]}) == []


def test_a_loader_that_is_late_makes_nothing_absent() -> None:
    assert events(make_rule(ABSENCE), {"values": ["1x3", "_x9"]}, until_s=120) == []


def test_a_group_is_absent_when_all_of_it_is() -> None:
    rule = make_rule(ABSENCE, fingerprint=["service"])
    pods = [
        {"values": values, "labels": {"service": "a", "pod": pod}}
        for pod, values in (("x", ["1x3", "_x7"]), ("y", ["1x10"]))
    ]
    assert events(rule, *pods) == []
    pods[1]["values"] = ["1x5", "_x5"]
    assert events(rule, *pods) == [(FIRING, 420)]


def test_absence_ends_when_nobody_remembers_the_series() -> None:
    rule = make_rule({**ABSENCE, "seen_within_s": 400})
    assert events(rule, {"values": ["1x3", "_x30"]}) == []


def test_burst_against_its_usual_sum() -> None:
    rule = make_rule({"kind": "burst", "value": 10, "over_s": 120, "times": 3})
    assert events(rule, {"values": [1, 5, 5, 1]}) == [(FIRING, 120), (RESOLVED, 180)]
    assert events(rule, {"values": [5, 5, 5, 5], "baseline": 5}) == []


def test_state_change() -> None:
    rule = make_rule({"kind": "state_change", "bad": [1, 2]})
    assert events(rule, {"values": [0, 1, 2, 0, 3]}) == [(FIRING, 60), (RESOLVED, 180)]


def test_anomalies_on_one_side() -> None:
    rule = make_rule({"kind": "anomaly", "points": 2, "of": 3, "side": "above"})
    above = {"values": ["1x2", 9, 1, 9, "1x4"], "baseline": 1, "anomalous": [2, 4]}
    below = {"values": ["10x2", 1, 10, 1, "10x4"], "baseline": 10, "anomalous": [2, 4]}
    assert events(rule, above) == [(FIRING, 240), (RESOLVED, 420)]
    assert events(rule, below) == []


def test_control_chart_and_forecast_residual() -> None:
    chart = make_rule({"kind": "control_chart", "points": 2})
    assert events(chart, {"values": ["1x8"], "out_of_control": [2, 4, 5]}) == [(FIRING, 300), (RESOLVED, 420)]
    residual = make_rule({"kind": "forecast_residual", "points": 2, "times": 2})
    assert events(residual, {"values": [20, 31, 31, 10, 10], "baseline": 10, "half_width": 10})[0] == (FIRING, 120)
    assert events(residual, {"values": ["31x5"]}) == []


def test_capacity_date() -> None:
    rule = make_rule({"kind": "capacity", "within_days": 7})
    assert events(rule, {"values": [1], "reaches_in_days": 6}) == [(FIRING, 0)]
    assert events(rule, {"values": [1], "reaches_in_days": 8}) == []


def test_log_patterns_last_as_long_as_they_come() -> None:
    rule = make_rule({"kind": "log_pattern", "finding": "burst", "template": "disk.*full"}, recover={"for_s": 1800})
    found = [{"at_s": at, "template": "disk <n> full", "service": "a"} for at in (0, 900, 6000)]
    other = [{"at_s": 0, "template": "all is well", "service": "a"}]
    assert events(rule, findings=found + other, until_s=9000) == [
        (FIRING, 0),
        (RESOLVED, 2700),
        (FIRING, 6000),
        (RESOLVED, 7800),
    ]


@pytest.mark.parametrize("pattern", ["=~(a+)+b", "=~(", "=~(?=x)y", r"=~(a)\1", "!~((a{500}){500}){500}"])
def test_regexes_that_could_hurt_are_refused(pattern: str) -> None:
    with pytest.raises(ValidationError, match=r"repeats a repetition|no regular expression"):
        make_rule({"kind": "threshold", "op": ">", "value": 1}, series={"metric": "m", "labels": {"service": pattern}})


@pytest.mark.parametrize(
    ("wanted", "services"),
    [("a", {"a"}), ("!=a", {"b", "ab"}), ("=~a|b", {"a", "b"}), ("=~a.*", {"a", "ab"}), ("!~a.*", {"b"})],
)
def test_matchers_mean_what_they_mean_in_alertmanager(wanted: str, services: set[str]) -> None:
    rule = make_rule(
        {"kind": "threshold", "op": ">", "value": 1}, series={"metric": "m", "labels": {"service": wanted}}
    )
    given = [{"metric": "m", "labels": {"service": name}, "values": [5]} for name in ("a", "b", "ab")]
    window, until = make_case_window(Case.model_validate({"name": "-", "given": given}))
    assert {one.labels["service"] for one in evaluate_rules([rule], window, [], now=until).events} == services


def test_a_rule_says_what_failed_and_what_came() -> None:
    rule = make_rule({"kind": "threshold", "op": ">", "value": 5}, for_s=120)
    points = [{"metric": "m", "values": ["9x5"]}]
    wrong = Case.model_validate({"name": "-", "given": points, "fires_at_s": 60})
    assert run_case(rule, wrong, {}).reason == "it fires after 120 s; expected 60 s"
    never = Case.model_validate({"name": "-", "given": points})
    assert run_case(rule, never, {}).reason == "it fires after 120 s; expected never"
    silly = Case.model_validate({"name": "-", "given": [{"metric": "m", "values": ["many"]}]})
    assert "is none of" in run_case(rule, silly, {}).reason
