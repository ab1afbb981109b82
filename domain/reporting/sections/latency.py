"""How fast the services answered: the 99th percentile as captured, its mean and its worst."""

from __future__ import annotations

import polars as pl

from domain.reporting.data import ReportData, daily_line, ratio, total, within
from domain.reporting.period import Span
from domain.reporting.report import Chart, Figure, Section, Table
from domain.reporting.wording import describe_change, format_count, format_value

_MEAN = pl.col("total").sum() / pl.col("points").sum()
_MOST_LINES = 6


def compute_latency(data: ReportData, span: Span) -> Figure:
    """Mean of the p99 values of all services; the denominator is their number."""
    now, before = within(data.latency, span.current), within(data.latency, span.previous)
    return Figure(
        key="latency_p99_ms",
        title="Latency p99",
        unit="ms",
        value=ratio(now, "total", "points", scale=1),
        denominator=total(now, "points"),
        counted="mean of {denominator} captured p99 values",
        previous=ratio(before, "total", "points", scale=1),
        target=data.targets.get("latency_p99_ms"),
    )


def compose_latency(data: ReportData, span: Span) -> Section:
    """The section; the slowest services are drawn."""
    latency = compute_latency(data, span)
    before = within(data.latency, span.previous).group_by("service").agg(previous=_MEAN)
    by_service = (
        within(data.latency, span.current)
        .group_by("service")
        .agg(mean=_MEAN, worst=pl.col("maximum").max(), points=pl.col("points").sum())
        .join(before, on="service", how="left")
        .sort(["mean", "service"], descending=[True, False])
    )
    shown = by_service.head(_MOST_LINES)["service"].to_list()
    lines = [
        daily_line(data.latency.filter(pl.col("service") == name), name, span.current, value=_MEAN) for name in shown
    ]
    sentences = [describe_change(latency, span.noun)]
    if by_service.height:
        worst = by_service.sort("worst", descending=True).row(0, named=True)
        sentences.append(f"The single highest value was {format_value(worst['worst'], 'ms')}, at {worst['service']}.")
    return Section(
        title="Performance",
        sentences=sentences,
        charts=[Chart("p99 latency per day", "ms", lines)] if lines else [],
        tables=[
            Table(
                ["Service", "Mean p99", f"The {span.noun} before", "Highest p99", "Values"],
                [
                    [
                        row["service"],
                        format_value(row["mean"], "ms"),
                        format_value(row["previous"], "ms"),
                        format_value(row["worst"], "ms"),
                        format_count(row["points"]),
                    ]
                    for row in by_service.iter_rows(named=True)
                ],
                numeric=frozenset({1, 2, 3, 4}),
                empty="No latency was captured.",
            )
        ],
    )
