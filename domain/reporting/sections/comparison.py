"""Month over month: every figure of the month beside the month before, per service."""

from __future__ import annotations

import polars as pl

from domain.reporting.data import ReportData, within
from domain.reporting.period import Period, Span
from domain.reporting.report import Figure, Section, Table, Verdict
from domain.reporting.wording import format_change, format_value, is_better


def _values(data: ReportData, period: Period) -> pl.DataFrame:
    """metric, unit, is_higher_better, subject, value for one period; counts are per observed day."""
    requests = within(data.requests, period).filter(pl.col("requests").is_not_null())
    availability = within(data.availability, period).filter(pl.col("denominator") > 0)
    latency = within(data.latency, period)
    uptime = pl.col("subject_kind") == "service"
    share = 100 * (pl.col("numerator").sum() / pl.col("denominator").sum())
    parts = [
        ("Requests a day", "", None, requests, "service", pl.col("requests").sum() / pl.col("day").n_unique()),
        ("Error rate", "%", False, requests, "service", 100 * (pl.col("errors").sum() / pl.col("requests").sum())),
        ("Uptime", "%", True, availability.filter(uptime), "subject", share),
        ("Loader success", "%", True, availability.filter(~uptime), "subject", share),
        ("Latency p99", "ms", False, latency, "service", pl.col("total").sum() / pl.col("points").sum()),
    ]
    return pl.concat(
        frame.group_by(pl.col(by).alias("subject"))
        .agg(value=value.cast(pl.Float64), days=pl.col("day").n_unique())
        .select(
            pl.lit(metric).alias("metric"),
            pl.lit(unit).alias("unit"),
            pl.lit(better, dtype=pl.Boolean).alias("is_higher_better"),
            "subject",
            "value",
            "days",
            pl.lit(place).alias("place"),
        )
        for place, (metric, unit, better, frame, by, value) in enumerate(parts)
    )


def compose_comparison(data: ReportData, span: Span) -> Section:
    """The section. Changes for the worse are counted in its sentence."""
    before = _values(data, span.previous).select("metric", "subject", previous="value", previous_days="days")
    both = _values(data, span.current).join(before, on=["metric", "subject"], how="left").sort(["place", "subject"])
    worse_rows: list[list[str | Verdict]] = []
    better_rows: list[list[str | Verdict]] = []
    rows: list[list[str | Verdict]] = []
    known = 0
    for row in both.iter_rows(named=True):
        figure = Figure(
            key=row["metric"],
            title=row["metric"],
            value=row["value"],
            unit=row["unit"],
            counted="",
            previous=row["previous"],
            is_higher_better=row["is_higher_better"],
        )
        better = is_better(figure)
        known += figure.previous is not None
        judgement = {True: "better", False: "worse", None: "–"}[better]
        days = f"{row['days']} / {row['previous_days'] or 0}"
        {True: better_rows, False: worse_rows, None: rows}[better].append(
            [
                row["metric"],
                row["subject"],
                format_value(row["value"], row["unit"]),
                format_value(row["previous"], row["unit"]),
                format_change(figure, span.noun).split(" from ")[0] if figure.previous is not None else "–",
                judgement,
                days,
            ]
        )
    return Section(
        title="Month over month",
        sentences=[
            f"Of {both.height} figures {known} can be compared with {span.previous.label}; "
            f"{len(worse_rows)} became noticeably worse" + (" (first in the table)." if worse_rows else "."),
            "Counts are per observed day, so that months of different length and the unfinished one compare fairly.",
        ],
        tables=[
            Table(
                [
                    "Figure",
                    "Of",
                    "This month",
                    "The month before",
                    "Change",
                    "Judgement",
                    "Days observed (now / before)",
                ],
                [*worse_rows, *better_rows, *rows],
                numeric=frozenset({2, 3, 6}),
                empty="Nothing was captured in this month.",
            )
        ],
    )
