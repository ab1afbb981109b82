"""What runs full, and when: from the last capacity computation before the day of the report."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from domain.reporting.data import ReportData
from domain.reporting.period import Span
from domain.reporting.report import Figure, Section, Table
from domain.reporting.wording import NOT_KNOWN, format_value, plural

_TOP = 12


def compute_filling(data: ReportData) -> Figure:
    """Gauges that reach their limit within the horizon, of all gauges with a limit."""
    judged = data.capacity.height
    filling = int(data.capacity["reaches_at"].is_not_null().sum()) if judged else None
    return Figure(
        key="gauges_filling",
        title="Gauges running full",
        unit="",
        value=filling,
        numerator=filling,
        denominator=judged or None,
        counted="{numerator} of {denominator} gauges with a limit reach it within the horizon",
        is_higher_better=False,
        is_plural=True,
    )


def _date(at: datetime | None, *, otherwise: str) -> str:
    return f"{at:%Y-%m-%d}" if at else otherwise


def compose_capacity(data: ReportData, span: Span) -> Section:
    """The section; an honest sentence where nothing was computed by then."""
    figure = compute_filling(data)
    if figure.value is None:
        return Section("Capacity", [f"Capacity dates are not known: none had been computed by {span.as_of:%Y-%m-%d}."])
    filling = data.capacity.filter(pl.col("reaches_at").is_not_null()).sort(["reaches_at", "metric_name", "subject"])
    sentences = [
        f"{plural(filling.height, 'gauge')} of {data.capacity.height} with a limit will reach it within the horizon."
    ]
    if filling.height:
        first = filling.row(0, named=True)
        sentences.append(
            f"The first is {first['metric_name']} of {first['subject']}, expected on {first['reaches_at']:%Y-%m-%d}"
            f" (between {_date(first['lower'], otherwise=NOT_KNOWN)} and "
            f"{_date(first['upper'], otherwise='beyond the horizon')})."
        )
    return Section(
        title="Capacity",
        sentences=sentences,
        tables=[
            Table(
                ["Gauge", "Of", "Now", "Limit", "Growth a day", "Reached on", "Between", "Advice"],
                [
                    [
                        row["metric_name"],
                        row["subject"],
                        format_value(row["current"], row["unit"]),
                        format_value(row["limit_value"], row["unit"]),
                        f"{row['growth_per_day']:+.2f} {row['unit']}".strip(),
                        _date(row["reaches_at"], otherwise="–"),
                        f"{_date(row['lower'], otherwise=NOT_KNOWN)} – {_date(row['upper'], otherwise='beyond the horizon')}",
                        row["recommendation"] or "",
                    ]
                    for row in filling.head(_TOP).iter_rows(named=True)
                ],
                numeric=frozenset({2, 3, 4}),
                empty="Nothing reaches its limit within the horizon.",
            )
        ],
    )
