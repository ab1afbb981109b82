"""The SLA compliance report: per severity and measure which targets were met and which were missed, and the worst incidents (E3).

Counted from the SLA clocks, which stand still while an incident is snoozed. A target is missed from the instant its time is up,
also while the incident is still open; what is still open in time is undecided and counts neither way. A clock that stopped
because the incident was over before, say before anybody acknowledged it, has met its target.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from domain.incidents.sla import Measure
from domain.vocabulary import Severity

_INSTANT = pl.Datetime("us", "UTC")
#: SLA clocks as `compute_compliance` wants them; drills and merged incidents are left out before.
CLOCKS = pl.Schema(
    {
        "incident_id": pl.Int64(),
        "title": pl.String(),
        "severity": pl.String(),
        "measure": pl.String(),
        "target_s": pl.Int64(),
        "elapsed_s": pl.Float64(),
        "running_since": _INSTANT,
        "breached_at": _INSTANT,
        "stopped_at": _INSTANT,
        "opened_at": _INSTANT,
    }
)


@dataclass(frozen=True, slots=True)
class Compliance:
    """One line; `severity` None is all of them. `met_pct` of what is decided; None where nothing is."""

    severity: Severity | None
    measure: Measure
    met: int
    missed: int
    missed_open: int
    undecided: int
    met_pct: float | None


@dataclass(frozen=True, slots=True)
class Miss:
    """A target that was missed, and by how many seconds that count."""

    incident_id: int
    title: str
    severity: Severity
    measure: Measure
    opened_at: datetime
    target_s: int
    spent_s: float
    over_s: float
    is_open: bool


@dataclass(frozen=True, slots=True)
class ComplianceReport:
    """Lines for all severities and for each, by measure; and the targets that were missed by most."""

    lines: list[Compliance]
    worst: list[Miss]
    incidents: int


def compute_compliance(clocks: pl.DataFrame, *, now: datetime, worst: int = 10) -> ComplianceReport:
    """The report.

    Args:
        clocks: columns of `CLOCKS`.
        now: what runs has run until then.
    """
    judged = _judge(clocks, now)
    names = ("met", "missed", "missed_open", "undecided")
    counted = judged.group_by("severity", "measure").agg(pl.col(names).sum())
    by_key = {(row["severity"], row["measure"]): row for row in counted.to_dicts()}
    total = {row["measure"]: row for row in counted.group_by("measure").agg(pl.col(names).sum()).to_dicts()}
    lines = [_line(None, one, total.get(one.value, {})) for one in Measure]
    lines += [_line(level, one, by_key.get((level.value, one.value), {})) for level in Severity for one in Measure]
    misses = judged.filter(pl.col("missed") | pl.col("missed_open")).sort(
        ["over_s", "incident_id", "measure"], descending=[True, False, False]
    )
    return ComplianceReport(
        lines, [_miss(row) for row in misses.head(worst).to_dicts()], judged["incident_id"].n_unique()
    )


def _judge(clocks: pl.DataFrame, now: datetime) -> pl.DataFrame:
    running_s = (pl.lit(now, _INSTANT) - pl.col("running_since")).dt.total_microseconds() / 1e6
    spent = pl.col("elapsed_s") + running_s.clip(lower_bound=0).fill_null(0)
    is_over, is_late = pl.col("stopped_at").is_not_null(), pl.col("breached_at").is_not_null() | pl.col("is_spent")
    return (
        clocks.with_columns(spent_s=spent)
        .with_columns(
            over_s=(pl.col("spent_s") - pl.col("target_s")).clip(lower_bound=0),
            is_spent=pl.col("spent_s") > pl.col("target_s"),
        )
        .with_columns(
            met=is_over & ~is_late,
            missed=is_over & is_late,
            missed_open=~is_over & is_late,
            undecided=~is_over & ~is_late,
        )
    )


def _line(severity: Severity | None, measure: Measure, counts: dict[str, Any]) -> Compliance:
    met, missed, missed_open, undecided = (
        int(counts.get(name, 0)) for name in ("met", "missed", "missed_open", "undecided")
    )
    decided = met + missed + missed_open
    return Compliance(
        severity, measure, met, missed, missed_open, undecided, met_pct=100.0 * met / decided if decided else None
    )


def _miss(row: dict[str, Any]) -> Miss:
    return Miss(
        incident_id=row["incident_id"],
        title=row["title"],
        severity=Severity(row["severity"]),
        measure=Measure(row["measure"]),
        opened_at=row["opened_at"],
        target_s=row["target_s"],
        spent_s=row["spent_s"],
        over_s=row["over_s"],
        is_open=row["missed_open"],
    )


def render_csv(report: ComplianceReport) -> str:
    """The lines as CSV (RFC 4180) with a header; what is undecided as a whole has an empty percentage."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("severity", "measure", "met", "missed", "missed_open", "undecided", "met_pct"))
    for one in report.lines:
        share = "" if one.met_pct is None else f"{one.met_pct:.2f}"
        level = one.severity.value if one.severity else "ALL"
        writer.writerow((level, one.measure.value, one.met, one.missed, one.missed_open, one.undecided, share))
    return text.getvalue()
