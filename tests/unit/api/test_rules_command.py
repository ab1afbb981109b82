from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from api.cli.rules import app
from domain.errors import InputDataError, NotFoundError

GOOD = """
id: hot
title: "{service} is hot"
severity: HIGH
category: data
series: {metric: load}
when: {kind: threshold, op: ">", value: 5}
cases:
  - {name: fires, given: [{metric: load, labels: {service: a}, values: ["1x2", "9x2"]}], fires_at_s: 120}
"""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def write(folder: Path, text: str, name: str = "hot.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.requirement("D6")
def test_cases_that_hold(tmp_path: Path) -> None:
    result = run("test", write(tmp_path, GOOD))
    assert result.exit_code == 0
    assert result.stdout.splitlines() == ["ok   hot: fires", "1 rules, 1 cases, 0 failed, 0 broken files"]


def test_a_case_that_fails_says_what_came_instead(tmp_path: Path) -> None:
    result = run("test", write(tmp_path, GOOD.replace("fires_at_s: 120", "fires_at_s: 60")))
    assert result.exit_code == 1
    assert "FAIL hot: fires - it fires after 120 s; expected 60 s" in result.stdout


def test_broken_files_and_rules_without_cases_fail_too(tmp_path: Path) -> None:
    write(tmp_path, GOOD.split("cases:", maxsplit=1)[0])
    write(tmp_path, GOOD.replace("op:", "opp:"), "typo.yaml")
    result = run("test", tmp_path)
    assert result.exit_code == 1
    assert "FAIL hot: has no cases" in result.stdout
    assert "typo.yaml:7" in result.stdout


def test_the_same_as_json(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    write(tmp_path, "id: [", "broken.yaml")
    result = run("test", tmp_path, "--json")
    facts = json.loads(result.stdout)
    assert (facts["rules"], facts["failed"], len(facts["broken"])) == (1, 0, 1)
    assert facts["cases"][0]["labels"] == {"service": "a"}
    assert result.exit_code == 1


def test_shipped_rules_are_listed() -> None:
    rules = {rule["id"]: rule for rule in json.loads(run("list", "--json").stdout)["rules"]}
    assert rules["pod-cpu"]["severity"] == "MEDIUM"
    assert (rules["pod-cpu"]["status"], rules["node-cpu-high"]["status"]) == ("live", "shadow")
    assert "api-latency-p99" in run("list").stdout


@pytest.mark.requirement("D6")
def test_the_configured_folder_is_the_one_that_is_tested_and_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "detections"
    folder.mkdir()
    write(folder, GOOD)
    monkeypatch.setenv("ETLMON_RULES_PATH", str(tmp_path))
    assert [rule["id"] for rule in json.loads(run("list", "--json").stdout)["rules"]] == ["hot"]
    assert run("test").stdout.splitlines()[0] == "ok   hot: fires"
    assert isinstance(run("backtest", "pod-cpu", "--from", "2026-01-01").exception, NotFoundError)
    both = GOOD.replace("id: hot", "id: hot-and-hot").replace(
        'series: {metric: load}\nwhen: {kind: threshold, op: ">", value: 5}',
        "when: {kind: composite, op: all, rules: [hot, hot], join: [service]}",
    )
    assert run("test", write(tmp_path, both, "both.yaml")).exit_code == 0, "a new file may name rules in force"


def test_no_rule_of_that_name_and_no_date() -> None:
    assert isinstance(run("backtest", "nothing", "--from", "2026-01-01").exception, NotFoundError)
    assert isinstance(run("backtest", "pod-cpu", "--from", "yesterday").exception, InputDataError)
    late = run("backtest", "pod-cpu", "--from", "2026-02-01", "--to", "2026-01-01")
    assert isinstance(late.exception, InputDataError)
    assert isinstance(run("test", "no/such/folder").exception, NotFoundError)


@pytest.mark.requirement("D6")
@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("sum by (job) (rate(x[5m])) > 1", "more than one selector"),
        ("absent(up)", "compares nothing"),
        ("a / b > 0.5", "more than one selector"),
        ("avg_over_time(x[5m]) > 1", "avg_over_time() has no counterpart"),
        ("x != 1", "has no counterpart"),
        ("x > bool 1", "bool"),
        ("x offset 5m > 1", "offset"),
        ("x > y", "no number"),
        ("x >", "not PromQL"),
    ],
)
def test_what_does_not_map_is_said(tmp_path: Path, expression: str, reason: str) -> None:
    text = f"groups: [{{name: g, rules: [{{alert: A, expr: {json.dumps(expression)}}}]}}]"
    result = run("import", write(tmp_path, text, "alerts.yml"))
    assert result.exit_code == 1
    assert "A: NOT imported: " in result.stderr
    assert reason in result.stderr


def test_texts_severities_and_names_are_taken_over(tmp_path: Path) -> None:
    text = """
groups:
  - name: g
    rules:
      - {record: r, expr: x}
      - alert: HighHTTPLoad
        expr: x > 1
        for: 1h30m
        labels: {severity: page, team: ops, where: "{{ $labels.pod }}"}
        annotations: {summary: "{{ $labels.pod }} at {{ $value }}", description: "{{ humanize $value }}", runbook_url: "https://r"}
      - {alert: HighHTTPLoad, expr: x > 2}
"""
    result = run("import", write(tmp_path, text, "alerts.yml"), "--out", tmp_path / "out", "--json")
    recorded, first, second = json.loads(result.stdout)
    assert "recording rule" in recorded["reason"]
    assert (first["id"], second["id"]) == ("high-httpload", "high-httpload-2")
    assert first["notes"] == [
        "label where: templates in labels are left out",
        "text '{{ humanize $value }}': only $labels and $value are filled in",
    ]
    assert second["notes"] == ["severity unset: taken as MEDIUM"]
    rule = (tmp_path / "out" / "high-httpload.yaml").read_text()
    assert "for_s: 5400.0" in rule
    assert "severity: CRITICAL" in rule
    assert "{pod} at {value}" in rule
    again = run("import", tmp_path / "alerts.yml", "--out", tmp_path / "out")
    assert "is there already" in str(again.exception)
