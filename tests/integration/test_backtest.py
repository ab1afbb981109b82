"""`etlmon rules backtest` on a real lake: what it says, and that it is what the live evaluation said."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from api.cli.rules import app
from domain.detection.alert_event import AlertEvent
from domain.signals import canonical_labels, compute_series_id
from resources.detection.run import detect
from resources.postgres.engine import make_engine
from tests.fakes.platform import Platform

T0 = datetime(2026, 11, 2, tzinfo=UTC)  # a Monday
RULE = """
id: hot-load
title: "{service} at {value}"
severity: HIGH
category: transaction
series: {metric: load}
when: {kind: threshold, op: ">", value: 80}
for_s: 60
recover: {for_s: 60}
"""


def at(minute: float) -> datetime:
    return T0 + timedelta(minutes=minute)


def fill(platform: Platform, bad: list[int], *, minutes: int) -> None:
    labels = canonical_labels({"service": "api"})
    series_id = compute_series_id("L", "load", labels)
    platform.lake.execute(
        "INSERT INTO series BY NAME SELECT ?::BIGINT AS series_id, 'L' AS loader_code, 'load' AS metric_name,"
        " ?::JSON AS labels, 60.0 AS step_s",
        [series_id, labels],
    )
    rows = [(series_id, at(n), 95.0 if n in bad else 10.0, at(n)) for n in range(minutes)]
    names = ["series_id", "captured_at", "metric_value", "ingested_at"]
    platform.lake.insert("signals", pl.DataFrame(rows, schema=names, orient="row"))


def watermark(platform: Platform, minute: float) -> None:
    platform.lake.execute("DELETE FROM watermarks")
    platform.lake.execute("INSERT INTO watermarks VALUES ('L', ?, ?)", [at(minute), at(minute)])


def backtest(platform: Platform, rule: Path, *, minutes: int, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.setenv("ETLMON_DATABASE_URL", platform.settings.database_url.get_secret_value())  # type: ignore[union-attr]
    arguments = ["backtest", str(rule), "--from", at(0).isoformat(), "--to", at(minutes).isoformat(), "--json"]
    return CliRunner().invoke(app, [*arguments, "--home", str(platform.settings.home)])


@pytest.mark.requirement("D6")
def test_a_rule_that_is_not_yet_shipped_over_the_past(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = tmp_path / "hot.yaml"
    rule.write_text(RULE)
    week = 7 * 24 * 60
    fill(platform, [10, 11, 12, 40, week + 5, week + 6], minutes=week + 30)
    watermark(platform, week + 30)
    engine = make_engine(platform.url)
    platform.lake.execute(
        "INSERT INTO incident_periods VALUES ('known', 'api', ?, ?, 'operator'), ('other', 'db', ?, ?, 'operator')",
        [at(8), at(20), at(week), at(week + 9)],
    )
    result = backtest(platform, rule, minutes=week + 30, monkeypatch=monkeypatch)
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    fired = [(one["fired_at"], one["ended_at"], one["explained_by"]) for one in facts["intervals"]]
    assert fired == [
        (at(11).isoformat(), at(14).isoformat(), "period known"),
        (at(week + 6).isoformat(), at(week + 8).isoformat(), ""),
    ]
    assert (facts["by_week"], facts["explained"]) == ({"2026-11-02": 1, "2026-11-09": 1}, 1)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM rule_states")).scalar_one() == 0
    engine.dispose()


def test_the_live_evaluation_said_the_same(platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "hot.yaml").write_text(RULE)
    fill(platform, [3, 4, 5, 8, 11, 12], minutes=16)
    engine = make_engine(platform.url)
    live: list[AlertEvent] = []
    for minute in range(16):
        watermark(platform, minute)
        detect(engine, platform.lake, rules, lambda _c, events, _b, _n: live.extend(events), now=at(minute + 0.1))
    engine.dispose()
    facts = json.loads(backtest(platform, rules / "hot.yaml", minutes=16, monkeypatch=monkeypatch).stdout)
    said = [(one["fired_at"], one["ended_at"]) for one in facts["intervals"]]
    starts = [event.at.isoformat() for event in live if event.status == "FIRING"]
    ends = [event.at.isoformat() for event in live if event.status == "RESOLVED"]
    assert said == list(zip(starts, ends, strict=True))
    assert len(said) == 2
