"""Failed requests: rate, trend, and the services that fail most."""

from __future__ import annotations

import polars as pl

from domain.reporting.data import ReportData, daily_line, ratio, total, within
from domain.reporting.period import Span
from domain.reporting.report import Chart, Figure, Section, Table
from domain.reporting.wording import describe_change, format_count, format_value

_RATE = 100 * (pl.col("errors").sum() / pl.col("requests").sum())


def compute_error_rate(data: ReportData, span: Span) -> Figure:
    """Failed requests of all requests."""
    now, before = within(data.requests, span.current), within(data.requests, span.previous)
    return Figure(
        key="error_rate_pct",
        title="Error rate",
        unit="%",
        value=ratio(now, "errors", "requests"),
        numerator=total(now, "errors"),
        denominator=total(now, "requests"),
        counted="{numerator} of {denominator} requests failed",
        previous=ratio(before, "errors", "requests"),
        target=data.targets.get("error_rate_pct"),
    )


def compose_errors(data: ReportData, span: Span) -> Section:
    """The section: both periods in one plot, services by failed requests in the table."""
    rate = compute_error_rate(data, span)
    now = within(data.requests, span.current)
    before = within(data.requests, span.previous).group_by("service").agg(previous=_RATE)
    by_service = (
        now.group_by("service")
        .agg(rate=_RATE, errors=pl.col("errors").sum(), requests=pl.col("requests").sum())
        .join(before, on="service", how="left")
        .sort(["errors", "service"], descending=[True, False])
    )
    both = [
        daily_line(data.requests, f"the {span.noun} before", span.previous, value=_RATE),
        daily_line(data.requests, f"this {span.noun}", span.current, value=_RATE),
    ]
    sentences = [describe_change(rate, span.noun)]
    if by_service.height and rate.numerator:
        first = by_service.row(0, named=True)
        sentences.append(
            f"{first['service']} had {100 * first['errors'] / rate.numerator:.0f} % of all failed requests."
        )
    return Section(
        title="Errors",
        sentences=sentences,
        charts=[Chart("Error rate per day", "%", both, target=rate.target.target if rate.target else None)]
        if rate.value is not None
        else [],
        tables=[
            Table(
                ["Service", "Failed", "Requests", "Error rate", f"The {span.noun} before"],
                [
                    [
                        row["service"],
                        format_count(row["errors"]),
                        format_count(row["requests"]),
                        format_value(row["rate"], "%"),
                        format_value(row["previous"], "%"),
                    ]
                    for row in by_service.iter_rows(named=True)
                ],
                numeric=frozenset({1, 2, 3, 4}),
                empty="No requests were counted.",
            )
        ],
    )
