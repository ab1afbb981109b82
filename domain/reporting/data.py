"""The frames a report is composed from, already cut to the period and the one before it. Read by resources/reports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from domain.reporting.period import Period
from domain.reporting.report import Line, Target


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything known. An empty frame means: nothing was captured or computed.

    Attributes:
        availability: subject_kind (service, loader), subject, day, numerator, denominator, excluded_hours. Services count
            hours, loaders count runs; hours of planned maintenance are not in the sums but in `excluded_hours`.
        requests: service, day, requests, errors (failed requests).
        latency: service, day, total, points, maximum; milliseconds, total / points is the mean of the p99 values.
        completeness: loader_code, day, expected, captured, late, empty, missing, quarantined (windows; rows for the last).
        anomalies: metric_name, subject, day, anomalies.
        signals: day, signals; what was captured at all.
        capacity: metric_name, subject, unit, current, limit_value, reaches_at, lower, upper, growth_per_day, recommendation,
            of the last computation before the report's day; a NULL date means not within the horizon.
        forecasts: metric_name, subject, unit, model, mean, lower, upper, days, smape, mase, coverage, origins, priority (lowest
            is shown first). `smape` is in %, `coverage` a share of 1.
        targets: traffic lights by figure.
        sla_targets: uptime in % by service; `*` is everybody else.
        known_until: end of the newest hour in the marts.
    """

    availability: pl.DataFrame
    requests: pl.DataFrame
    latency: pl.DataFrame
    completeness: pl.DataFrame
    anomalies: pl.DataFrame
    signals: pl.DataFrame
    capacity: pl.DataFrame
    forecasts: pl.DataFrame
    targets: dict[str, Target]
    sla_targets: dict[str, float]
    known_until: datetime | None

    def services(self) -> pl.DataFrame:
        """Availability of services only."""
        return self.availability.filter(pl.col("subject_kind") == "service")

    def loaders(self) -> pl.DataFrame:
        """Success of loaders only."""
        return self.availability.filter(pl.col("subject_kind") == "loader")


def within(frame: pl.DataFrame, period: Period) -> pl.DataFrame:
    """Rows whose `day` lies in the period."""
    return frame.filter(pl.col("day").is_between(period.start, period.end, closed="left"))


def total(frame: pl.DataFrame, column: str) -> float | None:
    """Sum of a column; None when it has no value at all."""
    values = frame[column].drop_nulls()
    return float(values.sum()) if len(values) else None


def ratio(frame: pl.DataFrame, numerator: str, denominator: str, *, scale: float = 100.0) -> float | None:
    """scale · Σ numerator / Σ denominator; None without a denominator."""
    below = total(frame, denominator)
    return scale * ((total(frame, numerator) or 0.0) / below) if below else None


def daily_line(frame: pl.DataFrame, name: str, period: Period, *, value: pl.Expr) -> Line:
    """A line with one point per day of the period; days without data are gaps.

    Args:
        value: an aggregation over the rows of one day.
    """
    days = pl.DataFrame({"day": pl.date_range(period.start, period.end, closed="left", eager=True)})
    daily = within(frame, period).group_by("day").agg(value.alias("value"))
    joined = days.join(daily, on="day", how="left").sort("day")
    finite = joined["value"].cast(pl.Float64).fill_nan(None).to_list()
    return Line(name, joined["day"].to_list(), finite)
