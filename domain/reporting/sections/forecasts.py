"""What is expected next, with the error the model made in the rolling backtest printed beside it."""

from __future__ import annotations

import polars as pl

from domain.reporting.data import ReportData
from domain.reporting.period import Span
from domain.reporting.report import Section, Table
from domain.reporting.wording import NOT_KNOWN, format_count, format_value

_TOP = 12
_PER_METRIC = 4


def _largest_of_each_metric(forecasts: pl.DataFrame) -> pl.DataFrame:
    ranked = forecasts.sort(["priority", "metric_name", "mean", "subject"], descending=[False, False, True, False])
    return ranked.filter(pl.int_range(pl.len()).over("metric_name") < _PER_METRIC).head(_TOP)


def compose_forecasts(data: ReportData, span: Span) -> Section:
    """The section; an honest sentence where no forecast had been computed by then."""
    if data.forecasts.is_empty():
        return Section(
            "Forecast", [f"No forecast had been computed by {span.as_of:%Y-%m-%d}: what comes next is not known."]
        )
    shown = _largest_of_each_metric(data.forecasts)
    days = float(shown["days"].to_numpy().max())
    rows = [
        [
            row["metric_name"],
            row["subject"],
            format_value(row["mean"], row["unit"]),
            f"{format_count(row['lower'])} – {format_value(row['upper'], row['unit'])}",
            row["model"],
            NOT_KNOWN if row["smape"] is None else f"{row['smape']:.1f} %",
            NOT_KNOWN if row["coverage"] is None else f"{100 * row['coverage']:.0f} %",
            NOT_KNOWN if row["origins"] is None else str(row["origins"]),
        ]
        for row in shown.iter_rows(named=True)
    ]
    measured = data.forecasts["smape"].drop_nulls()
    typical = f"{float(measured.to_numpy().mean()):.1f} %" if len(measured) else NOT_KNOWN
    return Section(
        title="Forecast",
        sentences=[
            f"{data.forecasts.height} series have a forecast of up to {days:.0f} days.",
            f"The mean error in backtest (sMAPE) is {typical}, over {len(measured)} series.",
            f"Shown: the {shown.height} largest.",
        ],
        tables=[
            Table(
                [
                    "Metric",
                    "Of",
                    "Mean expected",
                    "Interval (lowest – highest)",
                    "Model",
                    "Error (sMAPE)",
                    "Inside interval",
                    "Backtests",
                ],
                [list(row) for row in rows],
                numeric=frozenset({2, 3, 5, 6, 7}),
            )
        ],
    )
