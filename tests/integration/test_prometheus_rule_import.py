"""Imported alert rules against the real promtool: the same series, the same alerts at every minute."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from domain.detection.alert_event import AlertEvent, AlertStatus
from domain.detection.cases import ORIGIN, make_case_window
from domain.detection.evaluation import evaluate_rules
from domain.detection.rule import Rule
from domain.detection.rule_case import Case
from resources.detection.prometheus_rules import import_prometheus_rules
from resources.detection.rule_text import write_rule

MINUTES = 30
RULES: dict[str, Any] = {
    "groups": [
        {
            "name": "web",
            "rules": [
                {
                    "alert": "TooSlow",
                    "expr": 'latency_ms{job="web"} > 500',
                    "for": "3m",
                    "labels": {"severity": "critical"},
                },
                {"alert": "Low", "expr": "5 >= queue"},
                {
                    "alert": "Errors",
                    "expr": "rate(errors_total[5m]) > 0.5",
                    "for": "1m",
                    "labels": {"severity": "warning"},
                },
                {"alert": "Restarts", "expr": "increase(restarts_total[5m]) > 3", "labels": {"team": "ops"}},
                {"alert": "Down", "expr": 'up{job=~"w.*",env!="test"} == 0', "for": "2m"},
            ],
        }
    ]
}
SERIES: dict[str, list[float | None]] = {
    'latency_ms{job="web",pod="a"}': [100.0] * 5 + [600.0] * 2 + [100.0] + [700.0] * 8 + [500.0] * 15,
    'latency_ms{job="other",pod="b"}': [900.0] * 31,
    'queue{job="web"}': [9.0] * 4 + [5.0] * 3 + [None] * 3 + [6.0] * 21,
    'errors_total{job="web"}': [10.0 * n for n in range(8)]
    + [70.0 + 60.0 * n for n in range(8)]
    + [5.0 * n for n in range(15)],
    'restarts_total{pod="a"}': [2.0] * 6 + [3.0, 4.0, 6.0, 7.0] + [1.0] * 5 + [2.0] * 16,
    'up{job="web",env="prod"}': [1.0] * 6 + [0.0] * 9 + [1.0] * 16,
    'up{job="web",env="test"}': [0.0] * 31,
}


def write_rules(tmp_path: Path) -> Path:
    path = tmp_path / "alerts.yml"
    path.write_text(yaml.safe_dump(RULES, sort_keys=False))
    return path


def labels_of(series: str) -> tuple[str, dict[str, str]]:
    name, _, rest = series.removesuffix("}").partition("{")
    return name, {key: value.strip('"') for key, value in (part.split("=") for part in rest.split(","))}


def run_ours(rules: list[Rule]) -> list[AlertEvent]:
    given = []
    for series, values in SERIES.items():
        name, labels = labels_of(series)
        given.append({"metric": name, "labels": labels, "values": values})
    window, until = make_case_window(Case.model_validate({"name": "-", "given": given}))
    return evaluate_rules(rules, window, [], now=until).events


def firing_at(events: list[AlertEvent], rule_id: str, minute: int) -> list[dict[str, str]]:
    now, state = ORIGIN + timedelta(minutes=minute), {}
    for event in events:
        if event.rule_id == rule_id and event.at <= now:
            state[event.fingerprint] = event
    return [dict(event.labels) for event in state.values() if event.status is AlertStatus.FIRING]


@pytest.mark.requirement("D6")
@pytest.mark.needs("prometheus")
def test_the_same_series_give_the_same_alerts_as_promtool(tmp_path: Path) -> None:
    path = write_rules(tmp_path)
    subprocess.run(["promtool", "check", "rules", path], check=True, capture_output=True, timeout=60)
    imported = import_prometheus_rules(path)
    assert [one.reason for one in imported] == [""] * 5
    rules = [one.rule for one in imported if one.rule]
    events = run_ours(rules)
    expected = []
    for one in imported:
        assert one.rule is not None
        severity = {"TooSlow": {"severity": "critical"}, "Errors": {"severity": "warning"}}.get(one.alert, {})
        for minute in range(MINUTES + 1):
            alerts = [{"exp_labels": {**labels, **severity}} for labels in firing_at(events, one.rule.id, minute)]
            expected.append({"eval_time": f"{minute}m", "alertname": one.alert, "exp_alerts": alerts})
    assert sum(len(one["exp_alerts"]) > 0 for one in expected) > 20, "nothing fires: nothing is shown"
    series = [
        {"series": name, "values": " ".join("_" if value is None else f"{value:g}" for value in values)}
        for name, values in SERIES.items()
    ]
    tests = [{"interval": "1m", "input_series": series, "alert_rule_test": expected}]
    file = tmp_path / "tests.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(path)], "evaluation_interval": "1m", "tests": tests}))
    done = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_imported_is_a_file_that_loads_again(tmp_path: Path) -> None:
    from resources.rule_files import load_rule_file

    for one in import_prometheus_rules(write_rules(tmp_path)):
        assert one.rule is not None
        file = tmp_path / f"{one.rule.id}.yaml"
        file.write_text(write_rule(one.rule))
        assert load_rule_file(file, Rule) == one.rule
