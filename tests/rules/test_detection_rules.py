"""The shipped detection rules: every case of every rule, and what each rule file has to have."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import ValidationError
from typer.testing import CliRunner

from api.cli.rules import app
from domain.detection.cases import make_case_window, run_cases
from domain.detection.conditions import judge
from domain.detection.rule import BaselineMultiple, Burst, LogPattern, Rate, Ratio, Rule, Threshold
from domain.detection.rule_case import Case
from domain.detection.short_form import expand_values
from domain.vocabulary import Severity
from resources.rule_files import load_rule_folder, shipped_rules

LOADED = load_rule_folder(shipped_rules() / "detections", Rule)
RULES = {rule.id: rule for rule in LOADED.values() if isinstance(rule, Rule)}
TOLD = [rule for rule in RULES.values() if rule.severity is not Severity.LOW and rule.is_told]
URGENT = [rule for rule in RULES.values() if rule.severity in (Severity.CRITICAL, Severity.HIGH) and rule.is_told]


def test_all_files_are_sound_and_named_after_their_rule() -> None:
    assert {path.stem: getattr(rule, "id", rule) for path, rule in LOADED.items()} == {name: name for name in RULES}


@pytest.mark.requirement("D6")
def test_the_json_schema_accepts_what_ships_and_refuses_what_the_model_refuses() -> None:
    """As a program sees the files that knows nothing of ours."""
    schema = json.loads(CliRunner().invoke(app, ["schema"]).stdout)
    Draft202012Validator.check_schema(schema)
    check = Draft202012Validator(schema)
    written = {path.name: yaml.safe_load(path.read_text()) for path in LOADED}
    assert {name: [one.message for one in check.iter_errors(rule)] for name, rule in written.items()} == {
        name: [] for name in written
    }
    good = written["pod-cpu.yaml"]
    for change in (
        {"owner_team": "x"},
        {"severity": "BAD"},
        {"status": "on"},
        {"when": {"kind": "guess"}},
        {"for_s": -1},
    ):
        assert not check.is_valid({**good, **change}), change
        with pytest.raises(ValidationError):
            Rule.model_validate({**good, **change})


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


@pytest.mark.requirement("D6")
@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_every_kind_of_case_is_there(rule: Rule) -> None:
    """By what the cases hold, not by how they are called; that they hold is the test above."""
    firing = [case for case in rule.cases if case.fires_at_s is not None]
    assert firing, "none that fires"
    assert len(firing) < len(rule.cases), "none that does not"
    assert any(case.recovers_at_s is not None for case in firing), "none that recovers"
    assert any(has_nothing(rule, case) for case in rule.cases), "none in which something is missing"
    if isinstance(rule.when, Threshold | Rate | Ratio | BaselineMultiple | Burst):
        assert any(is_near_limit(rule, case) for case in rule.cases), "none at the limit"


def has_nothing(rule: Rule, case: Case) -> bool:
    """A sample is missing; for a log pattern, no line was found."""
    if isinstance(rule.when, LogPattern):
        return not case.findings
    return any(value is None for one in case.given for value in expand_values(one.values))


def is_near_limit(rule: Rule, case: Case) -> bool:
    """A judged value is at the limit or next to it: a hundredth away, a count by one."""
    window, _ = make_case_window(case)
    judged = judge(rule, window, window.select(rule.series))
    near = np.maximum(np.abs(judged.limit) * 0.011, 1.0 if isinstance(rule.when, Burst) else 0.1)
    return bool((np.abs(judged.value - judged.limit) <= near).any())


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


@pytest.mark.parametrize("rule", TOLD, ids=[rule.id for rule in TOLD])
def test_whoever_is_told_finds_a_runbook_and_what_it_could_be(rule: Rule) -> None:
    assert (shipped_rules().parent / rule.runbook).is_file()
    assert rule.false_positives or rule.triage


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
    assert RULES[loud].is_told
    assert loud == rule_id or rule_id in RULES[loud].when.rules  # type: ignore[union-attr]
    assert RULES[rule_id].severity == severity
    assert getattr(when, "times", None) == limit or getattr(when, "value", None) == limit


@pytest.mark.requirement("D4")
@pytest.mark.parametrize("rule_id", ["pod-cpu", "node-cpu-high"])
def test_cpu_has_to_last_five_minutes(rule_id: str) -> None:
    assert RULES[rule_id].for_s == 300
