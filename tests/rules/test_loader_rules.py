"""Laws over every loader definition that ships: it parses, can run, and says what it measures."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import promql_parser
import pytest
import sqlglot

from domain.errors import RuleFileError
from domain.loaders.definition import LoaderDefinition
from domain.vocabulary import MetricKind, SourceKind
from resources.rule_files import load_rule_folder, shipped_rules

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
