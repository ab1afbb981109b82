"""Frames of a report made by hand: two services, one loader, two weeks of constant days."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from domain.reporting.data import ReportData
from domain.reporting.report import Target

MONDAY = date(2026, 10, 19)
DAYS = [MONDAY + timedelta(days=offset) for offset in range(-7, 7)]

TARGETS = {
    "uptime_pct": Target(99.9, 99.5, is_higher_better=True),
    "error_rate_pct": Target(1.0, 2.0, is_higher_better=False),
    "latency_p99_ms": Target(1000.0, 2000.0, is_higher_better=False),
    "loader_success_pct": Target(98.0, 95.0, is_higher_better=True),
    "completeness_pct": Target(99.5, 98.0, is_higher_better=True),
}


def per_day(days: list[date] | None = None, **columns: Any) -> pl.DataFrame:
    """One row per day with the same columns."""
    days = DAYS if days is None else days
    return pl.DataFrame({"day": days}, schema={"day": pl.Date()}).with_columns(
        pl.lit(value, dtype=pl.Float64() if value is None else None).alias(name) for name, value in columns.items()
    )


def availability(
    subject: str, numerator: float, denominator: float, *, kind: str = "service", excluded: int = 0
) -> pl.DataFrame:
    return per_day(
        subject_kind=kind,
        subject=subject,
        numerator=numerator,
        denominator=denominator,
        excluded_hours=excluded,
    )


def full_data(**changes: Any) -> ReportData:
    """Gateway up 23.5 of 24 hours every day, auth always; 1 % errors; the loader fails 1 of 10 runs."""
    data = ReportData(
        availability=pl.concat(
            [
                availability("gateway", 23.5, 24.0),
                availability("auth", 24.0, 24.0),
                availability("orders", 9.0, 10.0, kind="loader"),
            ]
        ),
        requests=per_day(service="gateway", requests=1000.0, errors=10.0),
        latency=per_day(service="gateway", total=200.0 * 288, points=288, maximum=900.0),
        completeness=per_day(
            loader_code="STATS-AVAIL",
            expected=24,
            captured=24,
            late=0,
            empty=0,
            missing=0,
            quarantined=0,
        ),
        anomalies=per_day(metric_name="http errors", subject="gateway", anomalies=2),
        signals=per_day(signals=5000),
        capacity=pl.DataFrame(
            {
                "metric_name": ["disk used pct", "disk used pct"],
                "subject": ["node-1", "node-2"],
                "unit": ["%", "%"],
                "current": [70.0, 20.0],
                "limit_value": [100.0, 100.0],
                "reaches_at": [datetime(2026, 12, 1, tzinfo=UTC), None],
                "lower": [datetime(2026, 11, 20, tzinfo=UTC), None],
                "upper": [None, None],
                "growth_per_day": [0.5, 0.01],
                "recommendation": ["add a disk", None],
            },
            schema_overrides={"upper": pl.Datetime("us", "UTC")},
        ),
        forecasts=pl.DataFrame(
            {
                "metric_name": ["http requests"],
                "subject": ["gateway"],
                "unit": [""],
                "model": ["auto_ets"],
                "mean": [1000.0],
                "lower": [800.0],
                "upper": [1200.0],
                "days": [7.0],
                "smape": [4.25],
                "mase": [0.8],
                "coverage": [0.81],
                "origins": [5],
                "priority": [1],
            }
        ),
        targets=TARGETS,
        sla_targets={"*": 97.0, "auth": 99.9},
        known_until=datetime(2026, 10, 26, tzinfo=UTC),
    )
    return replace(data, **changes)


def empty_data() -> ReportData:
    """Nothing captured, nothing computed."""
    full = full_data()
    frames = ("availability", "requests", "latency", "completeness", "anomalies", "signals", "capacity", "forecasts")
    return replace(full, known_until=None, **{name: getattr(full, name).clear() for name in frames})
