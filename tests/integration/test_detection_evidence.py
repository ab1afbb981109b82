"""Rules on what the analytics found, through the tables of a real lake: anomalies, charts, forecasts, patterns, dates, baselines."""

from __future__ import annotations

import math
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from domain.detection.alert_event import AlertEvent
from domain.signals import canonical_labels, compute_series_id
from resources.analytics.causal_scores import detect_causal_anomalies
from resources.detection.run import detect
from resources.postgres.engine import make_engine
from resources.rule_files import shipped_rules
from tests.fakes.platform import Platform

T0 = datetime(2026, 11, 2, 10, tzinfo=UTC)
LABELS = canonical_labels({"service": "api"})
ID = compute_series_id("L", "load", LABELS)


def at(minute: float) -> datetime:
    return T0 + timedelta(minutes=minute)


def insert(platform: Platform, table: str, **columns: Any) -> None:
    names = ", ".join(f"?::{kind} AS {name}" for name, (kind, _) in columns.items())
    platform.lake.execute(f"INSERT INTO {table} BY NAME SELECT {names}", [value for _, value in columns.values()])


def write_rules(folder: Path) -> None:
    folder.mkdir()
    conditions: dict[str, dict[str, Any]] = {
        "anomaly": {"points": 3, "of": 5},
        "control_chart": {"points": 3},
        "forecast_residual": {"points": 3},
        "baseline_multiple": {"times": 3},
        "capacity": {"within_days": 14},
        "log_pattern": {"finding": "new"},
    }
    for kind, fields in conditions.items():
        rule = {"id": kind.replace("_", "-"), "title": kind, "severity": "LOW", "category": "statistical"}
        series = {} if kind == "log_pattern" else {"series": {"metric": "load"}}
        text = yaml.safe_dump({**rule, **series, "when": {"kind": kind, **fields}, "recover": {"for_s": 0}})
        (folder / f"{kind}.yaml").write_text(text)


def fill(platform: Platform) -> None:
    values = {n: 90.0 if n >= 10 else 10.0 for n in range(-10, 16)}
    insert(
        platform,
        "series",
        series_id=("BIGINT", ID),
        loader_code=("VARCHAR", "L"),
        metric_name=("VARCHAR", "load"),
        labels=("JSON", LABELS),
        step_s=("DOUBLE", 60.0),
    )
    rows = [(ID, at(n), value, at(n)) for n, value in values.items()]
    names = ["series_id", "captured_at", "metric_value", "ingested_at"]
    platform.lake.insert("signals", pl.DataFrame(rows, schema=names, orient="row"))
    platform.lake.execute("INSERT INTO watermarks VALUES ('L', ?, ?)", [at(15), at(15)])
    insert(
        platform,
        "baselines",
        series_id=("BIGINT", ID),
        level=("VARCHAR", "overall"),
        bucket=("SMALLINT", 0),
        points=("UINTEGER", 99),
        computed_at=("TIMESTAMPTZ", at(-300)),
        **dict.fromkeys(("mean", "median"), ("DOUBLE", 10.0)),
        **dict.fromkeys(("std", "mad", "spread", "robust_spread", "degrees", "slope_std"), ("DOUBLE", 1.0)),
        **dict.fromkeys(("slope_per_day", "age_days"), ("DOUBLE", 0.0)),
    )
    insert(
        platform,
        "forecasts",
        series_id=("BIGINT", ID),
        computed_at=("TIMESTAMPTZ", at(-120)),
        forecast_at=("TIMESTAMPTZ", at(0)),
        **{name: ("DOUBLE", value) for name, value in (("forecast", 10.0), ("lower", 8.0), ("upper", 12.0))},
    )


def add_findings(platform: Platform) -> None:
    for minute in range(10, 15):
        of = {"series_id": ("BIGINT", ID), "captured_at": ("TIMESTAMPTZ", at(minute))}
        numbers = {"metric_value": ("DOUBLE", 90.0), "expected": ("DOUBLE", 10.0), "score": ("DOUBLE", 0.99)}
        insert(platform, "anomalies", **of, **numbers, is_anomaly=("BOOLEAN", True))
        told = {"computed_at": ("TIMESTAMPTZ", at(16)), "is_out_of_control": ("BOOLEAN", True)}
        insert(platform, "control_charts", **of, **told, chart=("VARCHAR", "ewma"))
    platform.lake.execute("INSERT INTO progress_marks VALUES ('anomalies', ?)", [at(16)])
    of = {"series_id": ("BIGINT", ID), "computed_at": ("TIMESTAMPTZ", at(15))}
    gauge = {"probability": 0.9, "current": 70.0, "limit_value": 90.0, "growth_per_day": 2.0}
    numbers = {name: ("DOUBLE", value) for name, value in gauge.items()}
    insert(platform, "capacity", **of, reaches_at=("TIMESTAMPTZ", at(1440 * 9)), **numbers)
    insert(
        platform,
        "log_pattern_findings",
        template_id=("VARCHAR", "t1"),
        window_start=("TIMESTAMPTZ", at(15)),
        service=("VARCHAR", "api"),
        kind=("VARCHAR", "new"),
        lines=("BIGINT", 20),
        score=("DOUBLE", 0.9),
    )


@pytest.mark.requirement("D5")
def test_what_the_analytics_find_becomes_alerts_even_when_it_comes_later_than_the_samples(
    platform: Platform, tmp_path: Path
) -> None:
    rules = tmp_path / "rules"
    write_rules(rules)
    fill(platform)
    engine, said = make_engine(platform.url), []
    looks: list[set[tuple[str, str]]] = []

    def receive(_connection: Any, events: list[AlertEvent], *_: Any) -> None:
        looks.append({(event.status.value, event.rule_id) for event in events})
        said.extend(events)

    detect(engine, platform.lake, rules, receive, now=at(15.2))
    assert looks[-1] == {("FIRING", "baseline-multiple"), ("FIRING", "forecast-residual")}
    add_findings(platform)
    detect(engine, platform.lake, rules, receive, now=at(16.2))
    late = ("anomaly", "control-chart", "capacity", "log-pattern")
    assert looks[-1] == {("FIRING", name) for name in late}
    detect(engine, platform.lake, rules, receive, now=at(16.5))
    assert looks[-1] == set()
    onset = {event.rule_id: event.onset_at for event in said}
    assert onset["baseline-multiple"] == at(10)
    assert onset["anomaly"] == at(12)
    engine.dispose()


@pytest.mark.requirement("D5")
def test_one_value_that_the_causal_score_calls_is_an_alert(platform: Platform, tmp_path: Path) -> None:
    rules, state = tmp_path / "rules", tmp_path / "state"
    rules.mkdir()
    for name in ("statistical-causal", "statistical-anomaly"):
        shutil.copy(shipped_rules() / "detections" / f"{name}.yaml", rules)
    engine, looks = make_engine(platform.url), []
    series_id = write_requests(platform)

    def receive(_connection: Any, events: list[AlertEvent], *_: Any) -> None:
        looks.append([(event.rule_id, event.status.value, event.labels["service"], event.onset_at) for event in events])

    detect(engine, platform.lake, rules, receive, now=at(10.2))
    assert looks[-1] == [], "nothing has judged the newest samples yet"
    detect_causal_anomalies(platform.lake, folder=state, now=at(11))
    rows = platform.lake.query("SELECT captured_at, score, detector FROM anomalies").rows()
    assert [(when, detector) for when, score, detector in rows if score >= 0.7] == [(at(5), "causal")]
    detect(engine, platform.lake, rules, receive, now=at(11.2))
    assert looks[-1] == [("statistical-causal", "FIRING", "api", at(5))]
    add_requests(platform, series_id, dict.fromkeys(range(11, 31), 500.0))
    detect_causal_anomalies(platform.lake, folder=state, now=at(31))
    detect(engine, platform.lake, rules, receive, now=at(31.2))
    assert [look[:2] for look in looks[-1]] == [("statistical-causal", "RESOLVED")]
    engine.dispose()


def write_requests(platform: Platform) -> int:
    """A day of a quiet metric of service api, up to the tenth minute; from the fifth minute on five times as high."""
    series_id = compute_series_id("L", "http_requests_per_s", LABELS)
    insert(
        platform,
        "series",
        series_id=("BIGINT", series_id),
        loader_code=("VARCHAR", "L"),
        metric_name=("VARCHAR", "http_requests_per_s"),
        labels=("JSON", LABELS),
        step_s=("DOUBLE", 60.0),
    )
    wave = {n: 100 + 5 * math.sin(n * 0.7) + 3 * math.sin(n * 2.9) for n in range(-1440, 5)}
    add_requests(platform, series_id, wave | dict.fromkeys(range(5, 11), 500.0))
    return series_id


def add_requests(platform: Platform, series_id: int, values: dict[int, float]) -> None:
    rows = [(series_id, at(n), value, at(n + 0.5)) for n, value in values.items()]
    names = ["series_id", "captured_at", "metric_value", "ingested_at"]
    platform.lake.insert("signals", pl.DataFrame(rows, schema=names, orient="row"))
    newest = at(max(values))
    platform.lake.execute("DELETE FROM watermarks")
    platform.lake.execute("INSERT INTO watermarks VALUES ('L', ?, ?)", [newest, newest])
