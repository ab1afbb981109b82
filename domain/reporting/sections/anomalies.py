"""How much was out of the ordinary, of how much that was captured."""

from __future__ import annotations

import polars as pl

from domain.reporting.data import ReportData, daily_line, total, within
from domain.reporting.period import Span
from domain.reporting.report import Chart, Figure, Section, Table
from domain.reporting.wording import describe_change, format_count

_TOP = 8
_DAYS_TOLERANCE = 1.11  # months have 28 to 31 days


def compute_anomalies(data: ReportData, span: Span) -> Figure:
    """Anomalous points of all points captured; compared only with a period that was captured on as many days."""
    now, before = within(data.signals, span.current), within(data.signals, span.previous)
    captured = total(now, "signals")
    is_comparable = 0 < now.height <= before.height * _DAYS_TOLERANCE
    found = total(within(data.anomalies, span.current), "anomalies") or 0.0
    return Figure(
        key="anomalies",
        title="Anomalies",
        unit="",
        value=found if captured else None,
        numerator=found,
        denominator=captured,
        counted="anomalous points among {denominator} captured",
        previous=(total(within(data.anomalies, span.previous), "anomalies") or 0.0) if is_comparable else None,
        is_higher_better=False,
        is_plural=True,
    )


def compose_anomalies(data: ReportData, span: Span) -> Section:
    """The section: where anomalies gathered."""
    now = within(data.anomalies, span.current)
    groups = (
        now.group_by("metric_name", "subject")
        .agg(anomalies=pl.col("anomalies").sum(), days=pl.col("day").n_unique())
        .sort(["anomalies", "metric_name", "subject"], descending=[True, False, False])
    )
    line = daily_line(data.anomalies, "anomalies", span.current, value=pl.col("anomalies").sum())
    return Section(
        title="Anomalies",
        sentences=[describe_change(compute_anomalies(data, span), span.noun)],
        charts=[Chart("Anomalous points per day", "points", [line], is_bars=True)] if groups.height else [],
        tables=[
            Table(
                ["Metric", "Of", "Anomalous points", "On days"],
                [
                    [
                        row["metric_name"],
                        row["subject"],
                        format_count(row["anomalies"]),
                        f"{row['days']} of {span.current.days}",
                    ]
                    for row in groups.head(_TOP).iter_rows(named=True)
                ],
                numeric=frozenset({2, 3}),
                empty="No anomalies were found.",
            )
        ],
    )
