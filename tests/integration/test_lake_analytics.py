"""The analytics of the platform on a real lake: three weeks of a daily season with a fault in it, derived step by step."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from domain.answers import LOG_LINES_SCHEMA, Answer, empty_answer
from domain.loaders.definition import Connection, LoaderDefinition
from resources.analytics.anomalies import detect_new_anomalies, refresh_incident_periods
from resources.analytics.baselines import read_excluded, refresh_baselines
from resources.analytics.capacity import refresh_capacity
from resources.analytics.drift import refresh_control_charts
from resources.analytics.forecasts import refresh_forecasts, refresh_seasonality
from resources.analytics.log_patterns import refresh_log_patterns
from resources.analytics.views import (
    count_bad_baselines,
    read_anomaly_rate,
    read_capacity,
    read_forecast_picture,
    read_loudest_series,
    read_out_of_control,
    read_rollup_gap,
)
from resources.capture.engine import CaptureContext, CaptureEngine
from resources.lake.connection import Lake
from resources.lake.maintenance import roll_up
from resources.postgres.loaders_repository import ActiveLoader
from tests.fakes.computed_source import ComputedSource
from tests.fakes.platform import Platform

NOW = datetime(2026, 3, 22, 12, 0, tzinfo=UTC)
FAULT = NOW - timedelta(hours=5)


def wobble(index: int, at: datetime) -> float:
    """Small repeatable noise."""
    return math.sin(at.timestamp() * 0.7 + index) + math.sin(at.timestamp() * 0.13 + 2 * index)


def season(index: int, at: datetime) -> float:
    hours = at.timestamp() / 3600
    level = 100 + 40 * math.sin(2 * math.pi * hours / 24) + wobble(index, at)
    is_faulty = FAULT <= at < FAULT + timedelta(minutes=40) and index == 1
    return level * (4 if is_faulty else 1)


def filling(index: int, at: datetime) -> float:
    """A disk at 60 % three weeks ago that grows a percent per day."""
    del index
    return 60 + (at - (NOW - timedelta(days=21))).total_seconds() / 86_400 + 0.1 * wobble(0, at)


def loader(code: str, metric: str, **changes: object) -> ActiveLoader:
    query: dict[str, object] = {"metric_name": metric, "promql": "up", **changes}
    body = {
        "code": code,
        "title": code,
        "source": "prometheus",
        "connection": {"url": "http://nowhere"},
        "schedule": "*/5 * * * *",
        "step_s": 300,
        "history_s": 21 * 86_400,
        "prometheus": [query],
    }
    return ActiveLoader(LoaderDefinition.model_validate(body), 1)


class Labelled(ComputedSource):
    """The computed source with the service as label, as the estate has it."""

    def fetch(self, loader: LoaderDefinition, connection: Connection, *, start: datetime, end: datetime) -> Answer:
        answer = super().fetch(loader, connection, start=start, end=end)
        for one in answer.series:
            one.labels["service"] = f"service-{one.labels.pop('n')}"
        return answer


def capture(platform: Platform, source: ComputedSource, *loaders: ActiveLoader, at: datetime) -> None:
    engine = CaptureEngine(platform.lake, platform.url, sources=lambda _: source, connections={})
    assert not engine.capture_due(list(loaders), CaptureContext(now=at)).failed


@pytest.mark.requirement("C1")
@pytest.mark.requirement("C2")
@pytest.mark.requirement("C8")
def test_a_fault_becomes_anomalies_and_stays_out_of_the_next_baselines(platform: Platform) -> None:
    loaders = loader("DEMO-A", "requests"), loader("DEMO-B", "latency_ms")
    capture(platform, Labelled(season), *loaders, at=NOW)
    first = refresh_baselines(platform.lake, now=NOW)
    assert first.series == 6
    assert first.computed_at[-1] == NOW
    assert refresh_baselines(platform.lake, now=NOW).computed_at == [], "nothing is missing the second time"
    assert count_bad_baselines(platform.lake) == 0

    judged = detect_new_anomalies(platform.lake, now=NOW)
    assert judged.judged == 2 * 3 * 21 * 288
    assert detect_new_anomalies(platform.lake, now=NOW).judged == 0, "what was judged is not judged again"
    in_fault = platform.lake.query(
        "SELECT DISTINCT captured_at, metric_name, labels->>'service' AS service FROM anomalies JOIN series USING (series_id)"
        " WHERE captured_at >= ? AND captured_at < ? AND score > 0.5",
        [FAULT, FAULT + timedelta(minutes=40)],
    )
    assert set(in_fault["service"]) == {"service-1"}
    assert in_fault.height == 2 * 8, "every point of the fault in both metrics"
    expected = platform.lake.query("SELECT expected, metric_value FROM anomalies WHERE captured_at = ?", [FAULT]).row(0)
    assert expected[1] > 3 * expected[0]
    assert read_anomaly_rate(platform.lake, now=NOW) < 3

    periods = refresh_incident_periods(platform.lake, now=NOW)
    hit = periods.filter(pl.col("started_at") == FAULT)
    assert hit["service"].to_list() == ["service-1"]
    assert hit["ended_at"].to_list() == [FAULT + timedelta(minutes=40)]
    assert read_excluded(platform.lake).filter(pl.col("started_at") == FAULT).height == 2, "both series of the service"
    later = NOW + timedelta(hours=6)
    capture(platform, Labelled(season), *loaders, at=later)
    refresh_baselines(platform.lake, now=later)
    spread = platform.lake.query(
        "SELECT max(std) FROM baselines JOIN series USING (series_id) WHERE computed_at = ? AND level = 'time_of_week'"
        " AND (labels->>'service') = 'service-1' AND bucket = ?",
        [later, 6 * 24 + FAULT.hour],
    ).row(0)
    assert spread[0] is None or spread[0] < 10, "the outage has not become normal"

    charts = refresh_control_charts(platform.lake, now=NOW)
    assert set(charts["chart"]) == {"shewhart", "ewma", "cusum"}
    out = read_out_of_control(platform.lake)
    assert out.filter(pl.col("labels").str.contains("service-1")).height > 0
    assert read_loudest_series(platform.lake, now=NOW)["title"][0].count("service-1") == 1


def anomalies_of(platform: Platform, rows: list[tuple[str, str, datetime, float, float]]) -> None:
    """Rows of service, metric, instant, value and score; 100 was expected."""
    frame = pl.DataFrame(
        rows, schema=["service", "metric_name", "captured_at", "metric_value", "score"], orient="row"
    ).with_columns(
        series_id=pl.struct("service", "metric_name").rank("dense").cast(pl.Int64),
        labels=pl.concat_str(pl.lit('{"service":"'), "service", pl.lit('"}')),
        step_s=300.0,
        expected=100.0,
        is_anomaly=True,
    )
    series = frame.select("series_id", "metric_name", "labels", "step_s").unique()
    found = frame.select("series_id", "captured_at", "metric_value", "expected", "score", "is_anomaly")

    def work(lake: Lake) -> None:
        lake.insert("series", series)
        lake.insert("anomalies", found)

    platform.lake.write("anomalies", work)


def minutes(
    count: int, *, of: str, metrics: int = 2, value: float = 200.0, score: float = 0.72, at: datetime = FAULT
) -> list[tuple[str, str, datetime, float, float]]:
    steps = [at + timedelta(minutes=5 * k) for k in range(count // 5)]
    return [(of, f"metric-{m}", step, value, score) for m in range(metrics) for step in steps]


@pytest.mark.requirement("C1")
def test_an_incident_is_suspected_of_a_service_with_two_metrics_far_off_for_ten_minutes(platform: Platform) -> None:
    week = timedelta(days=7)
    anomalies_of(
        platform,
        [
            *minutes(10, of="unwell"),
            *minutes(30, of="alone", metrics=1),
            *minutes(30, of="slightly", score=0.68),
            *minutes(5, of="briefly"),
            *minutes(30, of="echoing", at=FAULT - week),
            *minutes(30, of="echoing", value=50.0),
            *minutes(30, of="recurring", at=FAULT - week),
            *minutes(30, of="recurring"),
        ],
    )
    periods = refresh_incident_periods(platform.lake, now=NOW)
    assert periods.filter(pl.col("started_at") == FAULT)["service"].sort().to_list() == ["recurring", "unwell"]
    assert periods.filter(pl.col("started_at") == FAULT - week)["service"].sort().to_list() == ["echoing", "recurring"]
    unwell = periods.filter(pl.col("service") == "unwell").row(0, named=True)
    assert unwell["ended_at"] - unwell["started_at"] == timedelta(minutes=10)


def test_a_signal_written_again_is_judged_again(platform: Platform) -> None:
    capture(platform, Labelled(season), loader("DEMO-A", "requests"), at=NOW)
    refresh_baselines(platform.lake, now=NOW)
    detect_new_anomalies(platform.lake, now=NOW)
    at = NOW - timedelta(hours=1)
    question = "SELECT count(*) AS n FROM anomalies WHERE captured_at = ?"
    assert platform.lake.query(question, [at])["n"][0] == 0
    level = platform.lake.query("SELECT avg(metric_value) AS level FROM signals WHERE captured_at = ?", [at])["level"][
        0
    ]
    newest = platform.lake.query("SELECT max(ingested_at) AS at FROM signals")["at"][0]
    for minute, (value, anomalous) in enumerate([(900.0, 3), (level, 0)], start=1):
        written = newest + timedelta(minutes=minute)
        rewrite = "UPDATE signals SET metric_value = ?, ingested_at = ? WHERE captured_at = ?"
        platform.lake.execute(rewrite, [value, written, at])
        assert detect_new_anomalies(platform.lake, now=written).judged == 3
        assert platform.lake.query(question, [at])["n"][0] == anomalous


@pytest.mark.requirement("C3")
@pytest.mark.requirement("C4")
@pytest.mark.requirement("C6")
def test_rollup_feeds_seasons_forecasts_and_capacity(platform: Platform) -> None:
    capture(platform, Labelled(season), loader("DEMO-A", "requests"), at=NOW)
    disk = loader("DEMO-D", "disk_used_pct", unit="%", limit={"value": 100, "warn_at_pct": 90, "lead_time_days": 3})
    capture(platform, Labelled(filling, series=1), disk, at=NOW)
    roll_up(platform.lake)
    assert read_rollup_gap(platform.lake, now=NOW) == 0

    found = refresh_seasonality(platform.lake, now=NOW)
    daily = found.periods.filter(pl.col("rank") == 1)
    assert daily.filter(pl.col("period_s") == 86_400.0).height == 3
    result = refresh_forecasts(platform.lake, now=NOW)
    assert result.forecasts["series_id"].n_unique() == 4
    assert read_forecast_picture(platform.lake, now=NOW).drop_nulls("forecast").height == 48
    ahead = platform.lake.query(
        "SELECT forecast_at, forecast FROM forecasts JOIN series USING (series_id) WHERE (labels->>'service') = 'service-2'"
    )
    half_hour = timedelta(minutes=30)
    truth = [100 + 40 * math.sin(2 * math.pi * (at + half_hour).timestamp() / 3600 / 24) for at in ahead["forecast_at"]]
    errors = [abs(a - b) for a, b in zip(ahead["forecast"], truth, strict=True)]
    assert len(truth) == 48
    assert sum(errors) / len(errors) < 4, "within a tenth of the swing"
    models = set(platform.lake.query("SELECT DISTINCT model FROM forecast_scores")["model"])
    assert {"seasonal_naive", "prophet", "ets", "arima"} <= models

    refresh_capacity(platform.lake, now=NOW)
    row = read_capacity(platform.lake).row(0, named=True)
    assert abs(row["growth_per_day"] - 1.0) < 0.15
    assert row["limit_value"] == 90
    assert abs((row["reaches_at"] - NOW).days - 9) <= 2
    assert row["lower"] <= row["reaches_at"] <= row["upper"]


@pytest.mark.requirement("C5")
def test_log_lines_become_templates_with_new_and_bursting_patterns(platform: Platform) -> None:
    begin = NOW - timedelta(days=2)
    steady = [(begin + timedelta(minutes=5 * k), f"request {k} took {k % 90} ms") for k in range(570)]
    burst = [
        (NOW - timedelta(minutes=10, seconds=-k), f"deadlock detected in transaction {9000 + k}") for k in range(40)
    ]
    insert_lines(platform, [*steady, *burst], ingested_at=NOW)
    result = refresh_log_patterns(platform.lake, now=NOW)
    assert (result.lines, result.templates) == (610, 2)
    found = platform.lake.query(
        "SELECT f.kind, f.lines, t.template FROM log_pattern_findings AS f JOIN log_templates AS t USING (template_id)"
    ).rows()
    assert len(found) == 1
    assert found[0][:2] == ("new", 40)
    assert "deadlock detected in transaction" in found[0][2]
    again = refresh_log_patterns(platform.lake, now=NOW)
    assert again.lines == 0
    assert platform.lake.query("SELECT sum(lines)::BIGINT AS n FROM log_template_counts")["n"][0] == 610


def insert_lines(platform: Platform, lines: list[tuple[datetime, str]], *, ingested_at: datetime) -> None:
    frame = pl.DataFrame(
        [(f"d{k}", at, "loader", "ERROR", text, None) for k, (at, text) in enumerate(lines)],
        schema=LOG_LINES_SCHEMA,
        orient="row",
    ).with_columns(loader_code=pl.lit("LOG-LINES"), ingested_at=pl.lit(ingested_at))
    platform.lake.write("signals", lambda lake: lake.insert("log_lines", frame))


def test_an_empty_lake_answers_everything_calmly(platform: Platform) -> None:
    lake = platform.lake
    assert refresh_baselines(lake, now=NOW).rows == 0
    assert detect_new_anomalies(lake, now=NOW).judged == 0
    assert refresh_control_charts(lake, now=NOW).is_empty()
    assert refresh_seasonality(lake, now=NOW).periods.is_empty()
    assert refresh_forecasts(lake, now=NOW).forecasts.is_empty()
    assert refresh_capacity(lake, now=NOW).dates.is_empty()
    assert refresh_log_patterns(lake, now=NOW).lines == 0
    assert read_loudest_series(lake, now=NOW).is_empty()
    assert read_anomaly_rate(lake, now=NOW) == 0
    assert empty_answer().points.is_empty()
