"""Identities, texts, what vanishes, what fails, composites; and that looking every minute says the same as looking once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.detection.alert_event import AlertEvent
from domain.detection.case_evidence import CaseEvidence
from domain.detection.cases import ORIGIN, make_case_window
from domain.detection.evaluation import Evaluated, evaluate_rules
from domain.detection.keyed import Firing
from domain.detection.rule import Rule
from domain.detection.rule_case import Case
from domain.detection.window import SignalsWindow

Said = list[tuple[str, str, float]]


def make_rule(rule_id: str, metric: str, **fields: Any) -> Rule:
    usual: dict[str, Any] = {"title": "t", "severity": "HIGH", "category": "data", "recover": {"for_s": 0}}
    when = {"kind": "threshold", "op": ">", "value": 5}
    return Rule.model_validate({"id": rule_id, **usual, "series": {"metric": metric}, "when": when, **fields})


def make_composite(rule_id: str, op: str, *rules: str, **fields: Any) -> Rule:
    return make_rule(rule_id, "m", when={"kind": "composite", "op": op, "rules": rules, "join": ["service"]}, **fields)


def make_case(**series: list[Any]) -> Case:
    given_ = [{"metric": name, "labels": {"service": "a"}, "values": values} for name, values in series.items()]
    return Case.model_validate({"name": "-", "given": given_})


def say(events: list[AlertEvent]) -> Said:
    return [(one.status.value, one.rule_id, (one.at - ORIGIN).total_seconds()) for one in events]


def look_once(rules: list[Rule], case: Case) -> Said:
    window, until = make_case_window(case)
    return say(evaluate_rules(rules, window, [], now=until).events)


def look_every_minute(rules: list[Rule], case: Case) -> Said:
    """As the live evaluation does: each minute the samples since the last one, with what fired then."""
    whole, until = make_case_window(case)
    firing: list[Firing] = []
    said: list[AlertEvent] = []
    for minute in range(int((until - ORIGIN).total_seconds() // 60) + 1):
        found = look_at_minute(whole, case, minute, rules, firing)
        firing = found.firing
        said += found.events
    return say(said)


def look_at_minute(whole: SignalsWindow, case: Case, minute: int, rules: list[Rule], firing: list[Firing]) -> Evaluated:
    now = ORIGIN + timedelta(minutes=minute)
    us = int(now.timestamp() * 1e6)
    points = whole.points.filter(pl.col("captured_at") <= now).select("series_id", "captured_at", "metric_value")
    window = SignalsWindow(
        whole.series.drop("position"),
        points,
        CaseEvidence(case, points, origin=ORIGIN),
        decided_until_us={"CASE": us - 60_000_000},
        complete_until_us={"CASE": us},
    )
    return evaluate_rules(rules, window, firing, now=now)


VALUES = st.lists(st.sampled_from([0.0, 9.0, None]), min_size=3, max_size=16)


@pytest.mark.requirement("D6")
@settings(max_examples=60, deadline=None)
@given(
    one=VALUES,
    two=VALUES,
    for_s=st.sampled_from([0, 60, 120]),
    op=st.sampled_from(["all", "any", "first_without_others"]),
)
def test_looking_every_minute_says_the_same_as_looking_once(
    one: list[float | None], two: list[float | None], for_s: int, op: str
) -> None:
    rules = [
        make_rule("rule-one", "one", for_s=60),
        make_rule("rule-two", "two", recover={"for_s": 60}),
        make_rule("gone-two", "two", when={"kind": "absence", "absent_s": 120}),
        make_composite("rule-both", op, "rule-one", "rule-two", for_s=for_s),
    ]
    case = make_case(one=one, two=two)
    assert sorted(look_every_minute(rules, case)) == sorted(look_once(rules, case))


def test_all_any_and_first_without_others() -> None:
    parts = [make_rule("rule-one", "one", status="shadow"), make_rule("rule-two", "two", status="shadow")]
    case = make_case(one=["0x2", "9x4", "0x4"], two=["0x4", "9x4", "0x2"])
    assert look_once([*parts, make_composite("both", "all", "rule-one", "rule-two")], case) == [
        ("FIRING", "both", 240),
        ("RESOLVED", "both", 360),
    ]
    assert look_once([*parts, make_composite("either", "any", "rule-one", "rule-two")], case) == [
        ("FIRING", "either", 120),
        ("RESOLVED", "either", 480),
    ]
    assert look_once([*parts, make_composite("alone", "first_without_others", "rule-one", "rule-two")], case) == [
        ("FIRING", "alone", 120),
        ("RESOLVED", "alone", 240),
    ]


@pytest.mark.parametrize(
    ("status", "said", "kept"), [("draft", 0, 0), ("shadow", 0, 1), ("live", 1, 1), ("retired", 0, 0)]
)
def test_a_status_says_whether_a_rule_is_judged_and_whether_it_is_told(status: str, said: int, kept: int) -> None:
    window, until = make_case_window(make_case(one=["0x2", "9x4"], two=[0]))
    found = evaluate_rules([make_rule("rule-one", "one", status=status)], window, [], now=until)
    assert (len(found.events), len(found.firing)) == (said, kept)


def test_a_composite_joins_by_labels_and_passes_over_what_lacks_them() -> None:
    parts = [make_rule("rule-one", "one"), make_rule("rule-two", "two")]
    given_ = [
        {"metric": "one", "labels": {"service": "a"}, "values": [9]},
        {"metric": "two", "labels": {"service": "b"}, "values": [9]},
        {"metric": "one", "labels": {}, "values": [9]},
        {"metric": "two", "labels": {}, "values": [9]},
    ]
    case = Case.model_validate({"name": "-", "given": given_})
    both = make_composite("both", "all", "rule-one", "rule-two")
    assert [said for said in look_once([*parts, both], case) if said[1] == "both"] == []


def test_series_with_the_same_labels_of_the_fingerprint_are_one_alert() -> None:
    rule = make_rule("rule-one", "one", fingerprint=["service"])
    given_ = [
        {"metric": "one", "labels": {"service": "a", "pod": "x"}, "values": ["9x3", "0x5"]},
        {"metric": "one", "labels": {"service": "a", "pod": "y"}, "values": ["0x2", "9x3", "0x3"]},
    ]
    case = Case.model_validate({"name": "-", "given": given_})
    assert look_once([rule], case) == [("FIRING", "rule-one", 0), ("RESOLVED", "rule-one", 300)]


def test_two_metrics_with_the_same_labels_are_two_alerts() -> None:
    rule = make_rule("rule-one", "one", series={"metric": ["one", "two"]}, title="{metric} of {service}: {value}")
    window, until = make_case_window(make_case(one=[9], two=[9]))
    found = evaluate_rules([rule], window, [], now=until).events
    assert {event.title for event in found} == {"one of a: 9", "two of a: 9"}
    assert len({event.fingerprint for event in found}) == 2


def test_the_fingerprint_is_the_same_everywhere() -> None:
    window, until = make_case_window(make_case(one=[9]))
    event = evaluate_rules([make_rule("rule-one", "one")], window, [], now=until).events[0]
    again = evaluate_rules([make_rule("rule-one", "one")], window, [], now=until).events[0]
    assert again.fingerprint == event.fingerprint
    other = evaluate_rules([make_rule("rule-two", "one")], window, [], now=until).events[0]
    assert other.fingerprint != event.fingerprint


def test_texts_are_filled_in_once_and_unknown_places_stay_empty() -> None:
    rule = make_rule("rule-one", "one", title="{service} {value} {nothing}", summary="over {limit}")
    case = Case.model_validate(
        {"name": "-", "given": [{"metric": "one", "labels": {"service": "{value}"}, "values": [1234.5]}]}
    )
    window, until = make_case_window(case)
    event = evaluate_rules([rule], window, [], now=until).events[0]
    assert (event.title, event.summary) == ("{value} 1,234 ", "over 5")


def test_one_rule_that_cannot_be_judged_does_not_silence_the_others() -> None:
    class Broken(CaseEvidence):
        def expected(self, points: pl.DataFrame) -> pl.DataFrame:
            raise ValueError("no baselines today")

    case = make_case(one=[9], two=[9])
    whole, until = make_case_window(case)
    points = whole.points.select("series_id", "captured_at", "metric_value")
    window = SignalsWindow(whole.series.drop("position"), points, Broken(case, points, origin=ORIGIN))
    multiple = make_rule("multiple", "one", when={"kind": "baseline_multiple", "times": 2})
    before = [Firing("multiple", '{"service":"a"}', ORIGIN, ORIGIN)]
    found = evaluate_rules([multiple, make_rule("rule-two", "two")], window, before, now=until)
    assert [event.rule_id for event in found.events] == ["rule-two"]
    assert [one.reason for one in found.failed] == ["ValueError: no baselines today"]
    assert before[0] in found.firing


def test_values_that_are_no_numbers_say_nothing() -> None:
    points = pl.DataFrame(
        {
            "series_id": [1, 1],
            "captured_at": [ORIGIN, ORIGIN + timedelta(minutes=1)],
            "metric_value": [float("nan"), float("inf")],
        }
    ).with_columns(pl.col("captured_at").cast(pl.Datetime("us", "UTC")))
    series = pl.DataFrame({"series_id": [1], "loader_code": ["L"], "metric_name": ["one"], "labels": ["{}"]})
    window = SignalsWindow(series, points, CaseEvidence(make_case(), points, origin=ORIGIN))
    later: datetime = ORIGIN + timedelta(minutes=2)
    assert evaluate_rules([make_rule("rule-one", "one")], window, [], now=later).events == []
