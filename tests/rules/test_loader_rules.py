"""Laws over every loader definition that ships: it parses, can run, and says what it measures."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import promql_parser
import pytest
import sqlglot

from domain.detection.rule import Composite, Ratio, Rule
from domain.errors import RuleFileError
from domain.loaders.definition import LoaderDefinition
from domain.vocabulary import MetricKind, SourceKind
from resources.loaders.seed_files import is_demo_only
from resources.rule_files import load_rule_file, load_rule_folder, shipped_rules

FOUND = load_rule_folder(shipped_rules() / "loaders", LoaderDefinition)
LOADERS = {path: one for path, one in FOUND.items() if isinstance(one, LoaderDefinition)}
EVERY = pytest.mark.parametrize("path", LOADERS, ids=lambda path: path.stem)
BY_CODE = {one.code: one for one in LOADERS.values()}


def test_every_file_parses() -> None:
    assert [str(one) for one in FOUND.values() if isinstance(one, RuleFileError)] == []
    assert len(LOADERS) >= 10


def test_codes_are_unique_and_name_their_file() -> None:
    assert [code for code, n in Counter(one.code for one in LOADERS.values()).items() if n > 1] == []
    assert {path.stem: one.code.lower() for path, one in LOADERS.items() if path.stem != one.code.lower()} == {}


@EVERY
def test_every_metric_has_title_and_unit_and_a_name_of_its_own(path: Path) -> None:
    metrics = LOADERS[path].metrics
    assert [one.metric_name for one in metrics if not one.title or not one.unit] == []
    assert len({one.metric_name for one in metrics}) == len(metrics)


@EVERY
def test_the_loader_says_what_it_is_for_and_who_answers(path: Path) -> None:
    loader = LOADERS[path]
    assert loader.title
    assert loader.description.endswith(".")
    assert loader.owner


@EVERY
def test_queries_are_of_their_language(path: Path) -> None:
    for query in LOADERS[path].prometheus:
        promql_parser.parse(query.promql)
    for statement in LOADERS[path].sql:
        sqlglot.parse_one(statement.sql)
        assert ":window_start" in statement.sql
        assert ":window_end" in statement.sql


@EVERY
def test_no_password_and_no_fixed_address_ships(path: Path) -> None:
    assert isinstance(LOADERS[path].connection, str), "a shipped loader names a connection, the user says where it is"
    assert "password" not in path.read_text()


@EVERY
def test_percentages_that_are_shares_are_ratios(path: Path) -> None:
    shares = [one for one in LOADERS[path].metrics if one.metric_name.endswith("_ratio_pct")]
    assert [one.metric_name for one in shares if one.kind is not MetricKind.RATIO or one.unit != "%"] == []


@pytest.mark.parametrize("requirement", ["D1", "D2", "D3", "D4"])
def test_what_the_default_rules_read_is_captured_in_every_installation(requirement: str) -> None:
    """A rule file says in its first line which requirement it is the default of."""
    captured = {one.metric_name for path, loader in LOADERS.items() if not is_demo_only(path) for one in loader.metrics}
    folder = shipped_rules() / "detections"
    rules = {path: load_rule_file(path, Rule) for path in folder.glob("*.yaml")}
    by_id = {rule.id: rule for rule in rules.values()}
    defaults = [rule for path, rule in rules.items() if path.read_text().startswith(f"# {requirement}:")]
    assert len(defaults) >= 4
    missing = {rule.id: read_metrics(rule, by_id) - captured for rule in defaults}
    assert {name: metrics for name, metrics in missing.items() if metrics} == {}


def read_metrics(rule: Rule, by_id: dict[str, Rule]) -> set[str]:
    """Every metric that a rule looks at, by itself or through its parts."""
    if isinstance(rule.when, Composite):
        return {metric for part in rule.when.rules for metric in read_metrics(by_id[part], by_id)}
    divisor = rule.when.divisor.metrics if isinstance(rule.when, Ratio) else ()
    return {*rule.series.metrics, *divisor}


@pytest.mark.requirement("B3")
def test_the_three_loaders_of_the_proposal_ship_with_their_schedules() -> None:
    schedules = {code: BY_CODE[code].schedule for code in ("STATS-ERROR-RATE", "STATS-PERF", "STATS-AVAIL")}
    minute, hour, *days = schedules["STATS-ERROR-RATE"].split()
    assert minute.isdigit()
    assert hour.isdigit()
    assert days == ["*", "*", "*"], "daily"
    assert schedules["STATS-PERF"] == "*/5 * * * *"
    assert schedules["STATS-AVAIL"].split()[0].isdigit()
    assert schedules["STATS-AVAIL"].split()[1:] == ["*"] * 4, "hourly"


@pytest.mark.requirement("B1")
@pytest.mark.requirement("B2")
@pytest.mark.requirement("B4")
def test_every_kind_of_source_that_is_asked_has_an_example() -> None:
    assert {one.source for one in LOADERS.values()} >= {SourceKind.PROMETHEUS, SourceKind.ELASTICSEARCH, SourceKind.SQL}
    assert any("histogram_quantile(0.99" in q.promql for one in LOADERS.values() for q in one.prometheus)
