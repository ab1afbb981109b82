"""A drill's report: every step is there, with its seconds, whether it happened or not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.drills.report import DrillFacts, DrillStep, compile_steps
from domain.drills.scenario import DrillTargets

pytestmark = pytest.mark.requirement("E5")
T0 = datetime(2026, 3, 10, 12, tzinfo=UTC)
TARGETS = DrillTargets(incident_s=120, message_s=15)


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


WELL = DrillFacts(
    injected_at=T0,
    ended_at=after(600),
    first_bad_at=after(30),
    alert_at=after(90),
    opened_at=after(91),
    messages={"sms": after(95), "voice": after(111)},
    acknowledged_at=after(150),
    acknowledged_by="ann",
    acknowledged_via="ivr",
    escalated_at=[after(140)],
    spared=["the manager is not told in a drill"],
    resolved_at=after(900),
    sla={"acknowledge": 300, "resolve": 800},
)


def steps(facts: DrillFacts) -> dict[str, DrillStep]:
    return {step.name: step for step in compile_steps(facts, TARGETS)}


def test_each_step_with_its_seconds_and_whether_the_target_was_met() -> None:
    found = steps(WELL)
    assert {name: (step.seconds, step.is_met) for name, step in found.items()} == {
        "injected": (0.0, None),
        "first bad sample": (30.0, None),
        "alert": (90.0, None),
        "incident": (61.0, True),
        "first message by sms": (4.0, True),
        "first message by voice": (20.0, False),
        "acknowledged": (59.0, True),
        "escalation 1": (49.0, None),
        "not told in a drill": (None, None),
        "fault cleared": (600.0, None),
        "resolved": (809.0, False),
    }
    assert found["acknowledged"].note == "by ann via ivr"
    assert found["incident"].as_dict()["at"] == "2026-03-10T12:01:31+00:00"


def test_what_never_happened_is_missed_when_it_is_over_and_open_until_then() -> None:
    nothing = DrillFacts(injected_at=T0, ended_at=None, sla={"acknowledge": 300})
    over = steps(nothing)
    assert (over["incident"].is_met, over["first message"].is_met, over["acknowledged"].is_met) == (False, False, False)
    assert over["acknowledged"].note == "by nobody"
    running = steps(replace(nothing, is_over=False))
    assert {step.is_met for step in running.values()} == {None}
