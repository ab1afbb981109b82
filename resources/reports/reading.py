"""Reads the frames of a report from the marts and the lake, bounded by the report's period, so that any past one can be
made again. Nothing is judged here.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import polars as pl

from domain.errors import NotFoundError
from domain.reporting.data import ReportData
from domain.reporting.period import Span
from domain.reporting.report import Target
from resources.lake.connection import Lake
from resources.reports import reading_sql as sql

MARTS = (
    "hourly_availability",
    "daily_error_rates",
    "subject_hours",
    "capture_completeness",
    "report_targets",
    "sla_targets",
)


def has_marts(lake: Lake) -> bool:
    """Whether every mart that a report reads has been built."""
    found = lake.query("SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake' AND schema_name = 'marts'")[
        "table_name"
    ]
    return set(MARTS) <= set(found.to_list())


def load_report_data(lake: Lake, span: Span) -> ReportData:
    """Everything a report of that span needs.

    Raises:
        NotFoundError: the marts have not been built.
        StorageError: the lake cannot be read.
    """
    if not has_marts(lake):
        raise NotFoundError(
            "the marts that reports are made from have not been built",
            suggestion="run `etlmon report … --refresh`, or materialize the group `marts` in Dagster",
        )
    bounds = {"start": span.previous.start_at, "stop": span.current.end_at}
    known_by = {"known_by": datetime.combine(span.as_of, time.min, UTC) + timedelta(days=1)}
    return ReportData(
        availability=lake.query(sql.AVAILABILITY, bounds),
        requests=lake.query(sql.REQUESTS, bounds),
        latency=lake.query(sql.LATENCY, bounds),
        completeness=lake.query(sql.COMPLETENESS, bounds),
        anomalies=lake.query(sql.ANOMALIES, bounds),
        signals=lake.query(sql.SIGNALS, bounds),
        capacity=lake.query(sql.CAPACITY, known_by),
        forecasts=lake.query(sql.FORECASTS, known_by),
        targets=_targets(lake.query("SELECT figure, target, watch, better FROM marts.report_targets")),
        sla_targets=_sla_targets(lake.query("SELECT service, target_pct FROM marts.sla_targets")),
        known_until=lake.query("SELECT max(hour_at) + INTERVAL 1 HOUR AS known_until FROM marts.subject_hours")[
            "known_until"
        ][0],
    )


def _targets(frame: pl.DataFrame) -> dict[str, Target]:
    return {
        figure: Target(float(target), float(watch), is_higher_better=better == "higher")
        for figure, target, watch, better in frame.iter_rows()
    }


def _sla_targets(frame: pl.DataFrame) -> dict[str, float]:
    return {str(service): float(target) for service, target in frame.iter_rows()}
