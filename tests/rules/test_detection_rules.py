"""The shipped detection rules: every case of every rule, and what each rule file has to have."""

from __future__ import annotations

import pytest

from domain.detection.cases import run_cases
from domain.detection.rule import Rule
from domain.vocabulary import Severity
from resources.rule_files import load_rule_folder, shipped_rules

LOADED = load_rule_folder(shipped_rules() / "detections", Rule)
RULES = {rule.id: rule for rule in LOADED.values() if isinstance(rule, Rule)}
URGENT = [rule for rule in RULES.values() if rule.severity in (Severity.CRITICAL, Severity.HIGH) and not rule.is_silent]


def test_all_files_are_sound_and_named_after_their_rule() -> None:
    assert {path.stem: getattr(rule, "id", rule) for path, rule in LOADED.items()} == {name: name for name in RULES}


@pytest.mark.requirement("D1")
@pytest.mark.requirement("D2")
@pytest.mark.requirement("D3")
@pytest.mark.requirement("D4")
@pytest.mark.requirement("D5")
@pytest.mark.requirement("D6")
@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_every_case_holds(rule: Rule) -> None:
    outcomes = run_cases(rule, RULES)
    assert [f"{one.name}: {one.reason}" for one in outcomes if not one.is_passed] == []
    assert sum(one.fired_at_s is not None for one in outcomes) >= 1, "no case in which it fires"
    assert sum(one.fired_at_s is None for one in outcomes) >= 2, "too few cases in which it does not"
    assert len(outcomes) >= 5


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_titles_are_filled_in_completely(rule: Rule) -> None:
    titles = [one.title for one in run_cases(rule, RULES) if one.title]
    assert titles
    assert not any("{" in title or "  " in title or "None" in title for title in titles)


@pytest.mark.parametrize("rule", URGENT, ids=[rule.id for rule in URGENT])
def test_whoever_is_woken_finds_a_runbook_and_first_steps(rule: Rule) -> None:
    runbook = shipped_rules().parent / rule.runbook
    assert runbook.is_file()
    assert all(heading in runbook.read_text() for heading in ("**What it means.**", "**Look at.**", "**Mend.**"))
    assert rule.triage


@pytest.mark.requirement("D1")
@pytest.mark.parametrize(
    ("rule_id", "severity", "limit"),
    [
        ("api-latency-p99", "HIGH", 2000),
        ("transaction-error-rate", "HIGH", 2),
        ("transaction-success-rate", "HIGH", 5),
        ("loader-success-rate", "HIGH", 5),
        ("transaction-type-failing", "CRITICAL", 100),
        ("service-failing", "CRITICAL", 99),
        ("signal-ingestion-failures", "HIGH", 5),
        ("api-latency-multiple", "MEDIUM", 5),
        ("loader-slow", "MEDIUM", 3),
        ("error-lines", "HIGH", 50),
        ("gateway-timeouts", "HIGH", 1),
        ("pod-cpu", "MEDIUM", 80),
        ("node-cpu-high", "MEDIUM", 80),
        ("pod-memory", "HIGH", 85),
        ("node-memory", "HIGH", 85),
        ("disk-space", "HIGH", 90),
        ("pod-restarts", "HIGH", 3),
    ],
)
def test_the_defaults_are_those_of_the_requirements(rule_id: str, severity: str, limit: float) -> None:
    when = RULES[rule_id].when
    loud = {"node-cpu-high": "node-cpu"}.get(rule_id, rule_id)
    assert not RULES[loud].is_silent
    assert loud == rule_id or rule_id in RULES[loud].when.rules  # type: ignore[union-attr]
    assert RULES[rule_id].severity == severity
    assert getattr(when, "times", None) == limit or getattr(when, "value", None) == limit


@pytest.mark.requirement("D4")
@pytest.mark.parametrize("rule_id", ["pod-cpu", "node-cpu-high"])
def test_cpu_has_to_last_five_minutes(rule_id: str) -> None:
    assert RULES[rule_id].for_s == 300
