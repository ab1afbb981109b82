"""Targets kept or missed, service by service, with what was left out and what nobody saw."""

from __future__ import annotations

import polars as pl

from domain.reporting.data import ReportData, daily_line, within
from domain.reporting.period import Period, Span
from domain.reporting.report import Chart, Figure, Section, Table, Target, Verdict
from domain.reporting.wording import format_count, format_value, join_names, plural

_DEFAULT_TARGET_PCT = "*"


def compute_sla(data: ReportData, period: Period) -> pl.DataFrame:
    """One row per service: target_pct, uptime_pct, hours_observed, excluded_hours, hours_unseen, minutes_down,
    minutes_allowed, is_met, is_met_if_unseen_was_down; worst margin first.
    """
    target = pl.col("service").replace_strict(
        data.sla_targets, default=data.sla_targets.get(_DEFAULT_TARGET_PCT, 99.5), return_dtype=pl.Float64
    )
    up, seen = pl.col("hours_up"), pl.col("hours_observed")
    due = period.hours - pl.col("excluded_hours")
    uptime = pl.when(seen > 0).then(100 * (up / seen))
    return (
        within(data.services(), period)
        .group_by(pl.col("subject").alias("service"))
        .agg(
            hours_up=pl.col("numerator").sum(),
            hours_observed=pl.col("denominator").sum(),
            excluded_hours=pl.col("excluded_hours").sum(),
        )
        .with_columns(target_pct=target, uptime_pct=uptime)
        .with_columns(
            hours_unseen=due - seen,
            minutes_down=60 * (seen - up),
            minutes_allowed=60 * seen * (100 - pl.col("target_pct")) / 100,
            is_met=pl.col("uptime_pct") >= pl.col("target_pct"),
            is_met_if_unseen_was_down=pl.when(due > 0).then(100 * (up / due) >= pl.col("target_pct")),
        )
        .sort([pl.col("uptime_pct") - pl.col("target_pct"), pl.col("service")], nulls_last=True)
    )


def compute_services_meeting(data: ReportData, span: Span) -> Figure:
    """Services that met their target, of those with an observation."""
    judged = compute_sla(data, span.current)["is_met"].drop_nulls()
    before = compute_sla(data, span.previous)["is_met"].drop_nulls()
    met = float(judged.sum()) if len(judged) else None
    return Figure(
        key="sla_met",
        title="SLA compliance",
        unit="%",
        value=None if met is None else 100 * met / len(judged),
        numerator=met,
        denominator=len(judged) or None,
        counted="{numerator} of {denominator} services met their target",
        previous=100 * float(before.sum()) / len(before) if len(before) else None,
        target=Target(100.0, 100.0, is_higher_better=True),
    )


def compose_sla(data: ReportData, span: Span) -> Section:
    """The section: verdicts, error budgets, and how the unseen hours could change them."""
    table = compute_sla(data, span.current)
    missed = table.filter(~pl.col("is_met"))["service"].to_list()
    open_question = table.filter(pl.col("is_met") & ~pl.col("is_met_if_unseen_was_down"))["service"].to_list()
    sentences = []
    if table.height:
        sentences.append(f"Missed: {join_names(missed)}." if missed else "Every observed service met its target.")
    if open_question:
        sentences.append(
            f"{join_names(open_question)} met the target in the hours observed; had every unobserved hour been down, "
            "it would have been missed."
        )
    excluded = float(table["excluded_hours"].sum() or 0)
    sentences.append(
        f"{plural(excluded, 'service hour')} of planned maintenance left out."
        if excluded
        else "No planned maintenance was recorded, so nothing was left out."
    )
    lines = [
        daily_line(
            data.services().filter(pl.col("subject") == name),
            name,
            span.current,
            value=60 * (pl.col("denominator") - pl.col("numerator")).sum(),
        )
        for name in table.filter(pl.col("minutes_down") >= 0.5)["service"].to_list()[:6]
    ]
    return Section(
        title="Service levels",
        sentences=sentences,
        charts=[Chart("Minutes down per day", "min", lines, is_bars=True)] if lines else [],
        tables=[
            Table(
                [
                    "Service",
                    "Verdict",
                    "Target",
                    "Uptime",
                    "Minutes down",
                    "Allowed",
                    "Hours observed",
                    "Left out",
                    "Unseen",
                ],
                [_row(row, span) for row in table.iter_rows(named=True)],
                numeric=frozenset(range(2, 9)),
                empty="No service was observed.",
            )
        ],
    )


def _row(row: dict[str, float], span: Span) -> list[str | Verdict]:
    verdict = Verdict.UNKNOWN if row["is_met"] is None else Verdict.GOOD if row["is_met"] else Verdict.BAD
    if verdict is Verdict.GOOD and not row["is_met_if_unseen_was_down"]:
        verdict = Verdict.WATCH
    return [
        str(row["service"]),
        verdict,
        format_value(row["target_pct"], "%"),
        format_value(row["uptime_pct"], "%"),
        format_count(round(row["minutes_down"], 1)),
        format_count(round(row["minutes_allowed"], 1)),
        f"{format_count(row['hours_observed'])} of {span.current.hours}",
        format_count(row["excluded_hours"]),
        format_count(row["hours_unseen"]),
    ]
