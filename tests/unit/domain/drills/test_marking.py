"""Which alerts are a drill's: its symptoms while it lasts. Everything else is real, before, meanwhile and afterwards."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from domain.detection.alert_event import AlertEvent, AlertSource, AlertStatus, Category
from domain.drills.marking import DrillScope, drill_fingerprint, mark_events
from domain.drills.scenario import DrillRules, Scenario
from domain.vocabulary import Severity
from resources.rule_files import load_rule_file, shipped_rules
from resources.simulator.fault_model import load_fault_catalogue

pytestmark = pytest.mark.requirement("E5")
BEGAN = datetime(2026, 3, 10, 12, tzinfo=UTC)
SCOPE = DrillScope(7, BEGAN, None, [["rule=pool", "service=loader"], ["rule=~calls-.*"]])


def event(
    minute: float = 2,
    *,
    rule: str = "pool",
    service: str = "loader",
    is_over: bool = False,
    onset: float | None = None,
    category: Category = Category.INFRASTRUCTURE,
) -> AlertEvent:
    at = BEGAN + timedelta(minutes=minute)
    return AlertEvent(
        fingerprint=f"{rule}/{service}",
        status=AlertStatus.RESOLVED if is_over else AlertStatus.FIRING,
        at=at,
        onset_at=BEGAN + timedelta(minutes=minute - 1 if onset is None else onset),
        fired_at=at,
        source=AlertSource.RULE,
        rule_id=rule,
        title=rule,
        summary="",
        severity=Severity.HIGH,
        category=category,
        labels={"service": service},
    )


def marked(*events: AlertEvent, firing: Collection[str] = (), scope: DrillScope = SCOPE) -> list[bool]:
    words = [{**one.labels, "rule": one.rule_id} for one in events]
    return [one.is_drill for one in mark_events(list(events), words, scope, firing=firing)]


def test_only_symptoms_that_began_meanwhile_are_the_drills() -> None:
    assert marked(event()) == [True]
    assert marked(event(service="auth")) == [False], "the same rule elsewhere"
    assert marked(event(rule="disk")) == [False], "another rule at the same place"
    assert marked(event(onset=-6)) == [False], "it was bad before"
    assert marked(event(onset=-4)) == [True], "a bucket of five minutes is stamped with its beginning"
    assert marked(event(minute=-1, onset=-2)) == [False]
    counted = [event(minute, onset=minute, category=Category.LOG) for minute in (-3, -6)]
    assert marked(*counted) == [False, True], (
        "lines are counted in buckets that began before the drill, not long before"
    )


def test_what_begins_after_the_end_is_real() -> None:
    over = DrillScope(7, BEGAN, BEGAN + timedelta(minutes=10), SCOPE.symptoms)
    assert marked(event(11, onset=9), scope=over) == [True], "seen late"
    assert marked(event(12, onset=11), scope=over) == [False]


def test_a_drills_alert_has_a_name_of_its_own_and_its_end_finds_it() -> None:
    name = drill_fingerprint("pool/loader", 7)
    (one,) = mark_events([event()], [{"rule": "pool", "service": "loader"}], SCOPE, firing=())
    assert (one.fingerprint, one.annotations["drill"]) == (name, "7")
    assert marked(event(is_over=True), firing={name}) == [True]
    assert marked(event(is_over=True), firing={"pool/loader"}) == [False], "the end of what is real"
    assert marked(event(1), event(3, is_over=True), event(4)) == [True, True, True], "all in one batch"


def test_what_fires_really_goes_on_being_real() -> None:
    assert marked(event(), firing={"pool/loader"}) == [False]


def test_the_shipped_scenarios_name_faults_of_the_estate() -> None:
    rules = load_rule_file(shipped_rules() / "drills.yaml", DrillRules)
    known = {fault.name for fault in load_fault_catalogue().faults}
    faults = {one.fault for one in rules.scenarios.values() if one.fault}
    assert "connection-pool" in faults
    assert faults <= known
    assert all(one.symptoms for one in rules.scenarios.values() if one.fault), "else its alerts would page as real ones"


@pytest.mark.parametrize("symptoms", [[[]], [["service"]], [['rule=~"("']]])
def test_a_symptom_that_would_be_everything_or_is_no_matcher_is_refused(symptoms: list[list[str]]) -> None:
    with pytest.raises(ValidationError):
        Scenario(title="t", service="s", severity=Severity.LOW, category=Category.LOG, symptoms=symptoms)
