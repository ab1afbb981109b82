"""Runs of the ETL loaders: how many succeeded, and which failed most."""

from __future__ import annotations

import polars as pl

from domain.reporting.data import ReportData, daily_line, ratio, total, within
from domain.reporting.period import Span
from domain.reporting.report import Chart, Figure, Section, Table
from domain.reporting.wording import describe_change, format_count, format_value

_TOP = 10
_SUCCESS = 100 * (pl.col("numerator").sum() / pl.col("denominator").sum())


def compute_loader_success(data: ReportData, span: Span) -> Figure:
    """Runs that succeeded of all runs."""
    loaders = data.loaders().filter(pl.col("denominator") > 0)
    now, before = within(loaders, span.current), within(loaders, span.previous)
    return Figure(
        key="loader_success_pct",
        title="Loader success",
        unit="%",
        value=ratio(now, "numerator", "denominator"),
        numerator=total(now, "numerator"),
        denominator=total(now, "denominator"),
        counted=f"{{numerator}} of {{denominator}} runs succeeded, {now['subject'].n_unique()} loaders",
        previous=ratio(before, "numerator", "denominator"),
        target=data.targets.get("loader_success_pct"),
    )


def compose_loaders(data: ReportData, span: Span) -> Section:
    """The section: top loaders by failed runs."""
    success = compute_loader_success(data, span)
    loaders = data.loaders().filter(pl.col("denominator") > 0)
    by_loader = (
        within(loaders, span.current)
        .group_by("subject")
        .agg(
            success=_SUCCESS,
            runs=pl.col("denominator").sum(),
            failed=(pl.col("denominator") - pl.col("numerator")).sum().round(6),
        )
        .sort(["failed", "subject"], descending=[True, False])
    )
    failing = by_loader.filter(pl.col("failed") >= 0.5)
    sentences = [describe_change(success, span.noun)]
    if by_loader.height:
        sentences.append(f"{failing.height} of {by_loader.height} loaders had a failed run.")
    failed_runs = (pl.col("denominator") - pl.col("numerator")).sum()
    line = daily_line(loaders, "failed runs", span.current, value=failed_runs)
    return Section(
        title="Loaders",
        sentences=sentences,
        charts=[Chart("Failed runs per day", "runs", [line], is_bars=True)] if by_loader.height else [],
        tables=[
            Table(
                ["Loader", "Failed runs", "Runs", "Success"],
                [
                    [
                        row["subject"],
                        format_count(row["failed"]),
                        format_count(row["runs"]),
                        format_value(row["success"], "%"),
                    ]
                    for row in failing.head(_TOP).iter_rows(named=True)
                ],
                numeric=frozenset({1, 2, 3}),
                empty="No loader had a failed run." if by_loader.height else "No loader runs were counted.",
            )
        ],
    )
