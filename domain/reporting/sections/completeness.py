"""How far the figures can be trusted: what should have been captured and what was."""

from __future__ import annotations

import polars as pl

from domain.reporting.data import ReportData, ratio, total, within
from domain.reporting.period import Span
from domain.reporting.report import Figure, Section, Table
from domain.reporting.wording import describe_change, format_count, format_value


def compute_completeness(data: ReportData, span: Span) -> Figure:
    """Windows captured of windows due, over all loaders."""
    now, before = within(data.completeness, span.current), within(data.completeness, span.previous)
    return Figure(
        key="completeness_pct",
        title="Data completeness",
        unit="%",
        value=ratio(now, "captured", "expected"),
        numerator=total(now, "captured"),
        denominator=total(now, "expected"),
        counted="{numerator} of {denominator} capture windows have an answer",
        previous=ratio(before, "captured", "expected"),
        target=data.targets.get("completeness_pct"),
    )


def compose_completeness(data: ReportData, span: Span) -> Section:
    """The section: per loader, with the day range the ledger covers."""
    now = within(data.completeness, span.current)
    columns = ["expected", "captured", "late", "empty", "missing", "quarantined"]
    by_loader = (
        now.group_by("loader_code")
        .agg(pl.col(columns).sum())
        .sort(["missing", "loader_code"], descending=[True, False])
    )
    sentences = [describe_change(compute_completeness(data, span), span.noun)]
    days = now["day"].n_unique()
    if days < span.current.days:
        missing_days = span.current.days - days
        sentences.append(
            f"The ledger has no window on {missing_days} of the {span.current.days} days: they are not known."
        )
    if data.known_until is None or data.known_until < span.current.end_at:
        until = "no day" if data.known_until is None else f"{data.known_until:%Y-%m-%d %H:%M} UTC"
        sentences.append(f"The marts reach to {until}; later hours of the period are not in this report.")
    return Section(
        title="What these figures rest on",
        sentences=sentences,
        tables=[
            Table(
                ["Loader", "Captured", "Of windows due", "Complete", "Late", "Empty", "Missing", "Rows in quarantine"],
                [
                    [
                        row["loader_code"],
                        format_count(row["captured"]),
                        format_count(row["expected"]),
                        format_value(100 * row["captured"] / row["expected"], "%"),
                        *(format_count(row[name]) for name in columns[2:]),
                    ]
                    for row in by_loader.iter_rows(named=True)
                ],
                numeric=frozenset(range(1, 8)),
                empty="The capture ledger has no window in this period.",
            )
        ],
    )
