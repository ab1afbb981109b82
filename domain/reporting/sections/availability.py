"""Uptime of the services: all together, one by one, day by day."""

from __future__ import annotations

import polars as pl

from domain.reporting.data import ReportData, daily_line, ratio, total, within
from domain.reporting.period import Span
from domain.reporting.report import Chart, Figure, Section, Table, Verdict
from domain.reporting.wording import describe_change, format_count, format_value, join_names

_UPTIME = 100 * (pl.col("numerator").sum() / pl.col("denominator").sum())
_MOST_LINES = 6


def compute_uptime(data: ReportData, span: Span) -> Figure:
    """Hours up of hours observed over all services."""
    services = data.services()
    now, before = within(services, span.current), within(services, span.previous)
    return Figure(
        key="uptime_pct",
        title="Uptime",
        unit="%",
        value=ratio(now, "numerator", "denominator"),
        numerator=total(now, "numerator"),
        denominator=total(now, "denominator"),
        counted=f"{{numerator}} of {{denominator}} observed service hours, {now['subject'].n_unique()} services",
        previous=ratio(before, "numerator", "denominator"),
        target=data.targets.get("uptime_pct"),
    )


def compute_uptime_by_service(data: ReportData, span: Span) -> pl.DataFrame:
    """service, uptime_pct, previous_pct, hours_observed, minutes_down; worst first."""
    services = data.services()
    before = within(services, span.previous).group_by("subject").agg(previous_pct=_UPTIME)
    return (
        within(services, span.current)
        .group_by("subject")
        .agg(
            uptime_pct=_UPTIME,
            hours_observed=pl.col("denominator").sum(),
            minutes_down=60 * (pl.col("denominator") - pl.col("numerator")).sum(),
            excluded_hours=pl.col("excluded_hours").sum(),
        )
        .join(before, on="subject", how="left")
        .rename({"subject": "service"})
        .sort(["uptime_pct", "service"])
    )


def compose_availability(data: ReportData, span: Span) -> Section:
    """The section; says so when no service was observed."""
    uptime = compute_uptime(data, span)
    by_service = compute_uptime_by_service(data, span)
    target = data.targets.get("uptime_pct")
    rows = [
        [
            row["service"],
            _service_figure(row, target_figure=uptime).verdict,
            format_value(row["uptime_pct"], "%"),
            format_value(row["previous_pct"], "%"),
            format_count(round(row["minutes_down"])),
            f"{format_count(row['hours_observed'])} of {span.current.hours}",
        ]
        for row in by_service.iter_rows(named=True)
    ]
    shown = by_service.head(_MOST_LINES)["service"].to_list()
    services = data.services()
    lines = [
        daily_line(services.filter(pl.col("subject") == name), name, span.current, value=_UPTIME) for name in shown
    ]
    note = (
        f"The {len(shown)} services with the lowest uptime of {by_service.height}."
        if by_service.height > len(shown)
        else ""
    )
    return Section(
        title="Availability",
        sentences=[describe_change(uptime, span.noun), *_sentences(by_service, span)],
        charts=[Chart("Uptime per day", "%", lines, target=target.target if target else None, note=note)]
        if lines
        else [],
        tables=[
            Table(
                ["Service", "Status", "Uptime", f"The {span.noun} before", "Minutes down", "Hours observed"],
                [list[str | Verdict](row) for row in rows],
                numeric=frozenset({2, 3, 4, 5}),
                empty="No service was observed.",
            )
        ],
    )


def _service_figure(row: dict[str, float], *, target_figure: Figure) -> Figure:
    return Figure(
        key="uptime_pct", title="", value=row["uptime_pct"], unit="%", counted="", target=target_figure.target
    )


def _sentences(by_service: pl.DataFrame, span: Span) -> list[str]:
    if by_service.is_empty():
        return []
    down = by_service.filter(pl.col("minutes_down") >= 0.5).sort("minutes_down", descending=True)
    found = [
        f"{row['service']} ({format_count(round(row['minutes_down']))} min)"
        for row in down.head(3).iter_rows(named=True)
    ]
    first = f"Most minutes down: {join_names(found)}." if found else "No service was down for as much as a minute."
    partly = by_service.filter(pl.col("hours_observed") + pl.col("excluded_hours") < span.current.hours)[
        "service"
    ].to_list()
    return [first, *([f"Not observed in every hour: {join_names(sorted(partly))}."] if partly else [])]
