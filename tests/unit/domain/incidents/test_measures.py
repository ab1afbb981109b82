"""MTTD, MTTA, time to mitigate, MTTR and the compliance report: counted by hand (E3)."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from domain.incidents.compliance import CLOCKS, ComplianceReport, compute_compliance, render_csv
from domain.incidents.measures import FAULTS, Duration, Statistic, compute_measures
from domain.incidents.sla import Measure
from domain.vocabulary import Severity

pytestmark = pytest.mark.requirement("E3")
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def at(seconds: float | None) -> datetime | None:
    return None if seconds is None else NOON + timedelta(seconds=seconds)


def fault(severity: str = "HIGH", *, drill: bool = False, onset: float | None = -60, taken: float | None = None,
          mitigated: float | None = None, resolved: float | None = None, awaited: float = 0) -> dict[str, Any]:  # fmt: skip
    return {
        "severity": severity, "is_drill": drill, "onset_at": at(onset), "opened_at": NOON, "awaited_at": at(awaited),
        "acknowledged_at": at(taken), "mitigated_at": at(mitigated), "resolved_at": at(resolved),
    }  # fmt: skip


def frame(*faults: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(faults, schema=FAULTS)


def test_medians_and_percentiles_are_of_what_is_known() -> None:
    lines = compute_measures(
        frame(
            *(fault(resolved=100 * k, taken=k) for k in range(1, 12)),
            fault(onset=None),
            fault("LOW", resolved=7),
            fault(drill=True, resolved=1),
        )
    )
    total, high = lines[0], next(one for one in lines if one.severity is Severity.HIGH)
    assert (total.faults, high.faults) == (13, 12)
    assert high.durations[Duration.RESOLVE] == Statistic(11, 600.0, 1_000.0)
    assert high.durations[Duration.ACKNOWLEDGE] == Statistic(11, 6.0, 10.0)
    assert high.durations[Duration.DETECT] == Statistic(11, 60.0, 60.0)
    assert high.durations[Duration.MITIGATE] == Statistic(0, None, None)
    assert total.durations[Duration.RESOLVE].count == 12
    drills = lines[-1]
    assert (drills.is_drill, drills.faults, drills.durations[Duration.RESOLVE]) == (True, 1, Statistic(1, 1.0, 1.0))


def test_no_data_is_none_and_never_zero() -> None:
    lines = compute_measures(frame())
    assert [one.severity for one in lines] == [None, *Severity, None]
    assert {one for line in lines for one in line.durations.values()} == {Statistic(0, None, None)}


def test_a_first_acknowledgement_after_a_reopening_counts_from_there_and_clocks_apart_are_no_negative_time() -> None:
    (line, *_) = compute_measures(frame(fault(awaited=5_000, taken=5_060, onset=3)))
    assert line.durations[Duration.ACKNOWLEDGE].median_s == 60
    assert line.durations[Duration.DETECT].median_s == 0


def clock(number: int, measure: Measure = Measure.RESOLVE, *, severity: str = "HIGH", target: int = 100, spent: float = 0,
          running: float | None = None, missed: bool = False, over: bool = False) -> dict[str, Any]:  # fmt: skip
    return {
        "incident_id": number, "title": f"=fault {number}", "severity": severity, "measure": measure.value, "target_s": target,
        "elapsed_s": spent, "running_since": at(running), "breached_at": NOON if missed else None,
        "stopped_at": NOON if over else None, "opened_at": NOON,
    }  # fmt: skip


def report(*clocks: dict[str, Any], worst: int = 10) -> ComplianceReport:
    return compute_compliance(pl.DataFrame(clocks, schema=CLOCKS), now=NOON + timedelta(seconds=1_000), worst=worst)


def test_met_missed_and_what_is_missed_while_still_open() -> None:
    found = report(
        clock(1, over=True, spent=50),
        clock(2, over=True, spent=300, missed=True),
        clock(3, running=0),  # runs for 1,000 s of 100, and nobody has looked yet
        clock(4, running=950),  # in time still
        clock(5, spent=60),  # snoozed, in time
        clock(6, over=True, spent=20, severity="LOW", missed=True),  # missed under a former target
        worst=2,
    )
    total = next(one for one in found.lines if one.severity is None and one.measure is Measure.RESOLVE)
    assert (total.met, total.missed, total.missed_open, total.undecided, total.met_pct) == (1, 2, 1, 2, 25.0)
    high = next(one for one in found.lines if one.severity is Severity.HIGH and one.measure is Measure.RESOLVE)
    assert (high.met, high.missed, high.missed_open, high.undecided) == (1, 1, 1, 2)
    assert [(one.incident_id, one.over_s, one.is_open) for one in found.worst] == [(3, 900, True), (2, 200, False)]
    assert found.incidents == 6


def test_a_report_of_nothing_has_no_percentage() -> None:
    found = report()
    assert {(one.met, one.met_pct) for one in found.lines} == {(0, None)}
    assert (found.worst, found.incidents) == ([], 0)
    rows = list(csv.DictReader(io.StringIO(render_csv(found))))
    assert len(rows) == 15
    assert rows[0] == {
        "severity": "ALL", "measure": "acknowledge", "met": "0", "missed": "0", "missed_open": "0", "undecided": "0", "met_pct": "",
    }  # fmt: skip
