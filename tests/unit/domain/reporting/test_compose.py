"""What the reports say about frames whose sums are known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from domain.reporting.compose import compose_report
from domain.reporting.period import ReportKind, compute_span
from domain.reporting.report import Report, Section, Verdict
from tests.fakes import report_data as fake

pytestmark = pytest.mark.requirement("C7")
AS_OF = date(2026, 10, 26)
WEEK = compute_span(ReportKind.WEEKLY, AS_OF)


def section(report: Report, title: str) -> Section:
    return next(one for one in report.sections if one.title == title)


def test_headlines_are_ratios_of_sums_with_their_denominators() -> None:
    report = compose_report(fake.full_data(), WEEK)
    known = {figure.key: (figure.value, figure.numerator, figure.denominator) for figure in report.headlines}
    assert known["uptime_pct"] == (pytest.approx(100 * 332.5 / 336), 332.5, 336.0)
    assert known["error_rate_pct"] == (pytest.approx(1.0), 70.0, 7000.0)
    assert known["loader_success_pct"] == (pytest.approx(90.0), 63.0, 70.0)
    assert known["latency_p99_ms"] == (pytest.approx(200.0), None, 7 * 288)
    assert known["anomalies"] == (14.0, 14.0, 35_000.0)
    assert known["gauges_filling"] == (1, 1, 2)
    assert {figure.key: figure.verdict for figure in report.headlines}["uptime_pct"] is Verdict.BAD


@pytest.mark.parametrize("kind", list(ReportKind))
def test_without_data_everything_is_not_known_and_nothing_fails(kind: ReportKind) -> None:
    report = compose_report(fake.empty_data(), compute_span(kind, AS_OF))
    assert {figure.verdict for figure in report.headlines} == {Verdict.UNKNOWN}
    assert report.sentences[0].startswith("Not known: ")
    assert "no day" in " ".join(section(report, "What these figures rest on").sentences)


def test_the_worst_service_comes_first_and_a_partly_seen_one_is_named() -> None:
    data = fake.full_data()
    partly = data.availability.filter((pl.col("subject") != "auth") | (pl.col("day") < fake.MONDAY + timedelta(days=6)))
    availability = section(compose_report(replace(data, availability=partly), WEEK), "Availability")
    assert [row[0] for row in availability.tables[0].rows] == ["gateway", "auth"]
    assert availability.tables[0].rows[1][-1] == "144 of 168"
    assert "Not observed in every hour: auth." in availability.sentences
    assert "gateway (210 min)" in availability.sentences[1]
    auth = next(line for line in availability.charts[0].lines if line.name == "auth")
    assert auth.values == [100.0] * 6 + [None]  # a day without data is a gap, not a zero


def test_the_sla_says_when_unseen_hours_could_turn_the_verdict() -> None:
    data = fake.full_data()
    partly = data.availability.filter((pl.col("subject") != "auth") | (pl.col("day") != fake.MONDAY))
    span = compute_span(ReportKind.SLA, AS_OF)
    span = replace(span, current=replace(span.current, start=fake.MONDAY, end=AS_OF))
    report = compose_report(replace(data, availability=partly), span)
    levels = section(report, "Service levels")
    verdicts = {str(row[0]): row[1] for row in levels.tables[0].rows}
    assert verdicts == {"gateway": Verdict.GOOD, "auth": Verdict.WATCH}  # 97.92 % of 97 %; 144 of 168 hours seen
    assert any("auth met the target in the hours observed" in sentence for sentence in levels.sentences)
    assert report.headlines[0].value == 100.0


def test_planned_maintenance_is_left_out_and_said() -> None:
    availability = fake.availability("gateway", 22.0, 22.0, excluded=2)
    span = replace(compute_span(ReportKind.SLA, AS_OF), current=WEEK.current)
    levels = section(compose_report(fake.full_data(availability=availability), span), "Service levels")
    assert "14 service hours of planned maintenance left out." in levels.sentences
    assert levels.tables[0].rows[0][1] is Verdict.GOOD


def test_capacity_and_forecast_print_interval_and_error() -> None:
    report = compose_report(fake.full_data(), WEEK)
    capacity = section(report, "Capacity")
    assert "expected on 2026-12-01 (between 2026-11-20 and beyond the horizon)" in capacity.sentences[1]
    assert len(capacity.tables[0].rows) == 1
    forecast = section(report, "Forecast").tables[0].rows[0]
    assert forecast[2:6] == ["1\u202f000", "800 – 1\u202f200", "auto_ets", "4.2 %"]


def test_a_month_before_that_was_hardly_captured_is_no_comparison_for_anomalies() -> None:
    span = compute_span(ReportKind.MONTHLY, date(2026, 11, 1))
    signals = fake.per_day([date(2026, 9, 30), *(date(2026, 10, day) for day in range(1, 32))], signals=100)
    report = compose_report(fake.full_data(signals=signals), span)
    assert next(figure for figure in report.headlines if figure.key == "anomalies").previous is None


def test_hours_after_the_marts_end_are_confessed() -> None:
    data = fake.full_data(known_until=datetime(2026, 10, 25, 6, tzinfo=UTC))
    rest = section(compose_report(data, WEEK), "What these figures rest on")
    assert "The marts reach to 2026-10-25 06:00 UTC" in rest.sentences[-1]
