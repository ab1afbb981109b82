"""The shipped rules find faults of the estate and leave a healthy day alone. All 22 faults and a whole week: the benchmark."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from domain.detection.alert_event import AlertEvent, AlertStatus
from domain.detection.case_evidence import CaseEvidence
from domain.detection.evaluation import evaluate_rules
from domain.detection.rule_case import Case
from domain.detection.window import SignalsWindow
from resources.simulator.fault_model import FaultWindow, load_fault_catalogue
from resources.simulator.grid import DAY_MS
from resources.simulator.sample_store import SampleStore
from resources.simulator.topology import load_topology
from tests.fakes.estate_detection import detect_in_estate, events_of, load_shipped_rules, plan_faults
from tests.fakes.estate_signals import SEED, compute_estate_signals
from tests.fakes.estate_truth import TRUTH, is_found

MONDAY = 20_521
HISTORY_DAYS = 3
START = datetime.fromtimestamp((MONDAY + HISTORY_DAYS) * 86_400, UTC)
SAMPLE = ("slow-database", "connection-pool", "loader-failures", "restart-loop", "dependency-failure")


@pytest.mark.requirement("D1")
@pytest.mark.requirement("D2")
@pytest.mark.requirement("D3")
@pytest.mark.requirement("D4")
def test_faults_are_found_as_what_they_are_and_the_hours_without_are_quiet() -> None:
    """Three usual days, then one with five faults; one test, since the signals take seconds."""
    begin_ms, start_ms = MONDAY * DAY_MS, (MONDAY + HISTORY_DAYS) * DAY_MS
    faults = plan_faults(START + timedelta(hours=3), SAMPLE)
    history = compute_estate_signals(begin_ms, start_ms)
    events = detect_in_estate(history, compute_estate_signals(start_ms, start_ms + DAY_MS, faults), start=START)
    assert {fault.fault: is_found(fault, events) for fault in faults} == dict.fromkeys(SAMPLE, True)
    explained = {id(event) for fault in faults for event in events_of(events, fault)}
    rest = [event for event in events if event.status is AlertStatus.FIRING and id(event) not in explained]
    assert len(rest) <= 3
    assert not [event for event in rest if event.severity == "CRITICAL"]


def test_every_fault_of_the_catalogue_has_its_truth() -> None:
    assert set(TRUTH) == {fault.name for fault in load_fault_catalogue().faults}


@pytest.mark.parametrize("is_late", [False, True])
def test_records_that_come_late_are_noticed(is_late: bool) -> None:
    """Ten minutes late: at no moment is the newest record younger than that."""
    store = SampleStore(load_topology(), load_fault_catalogue(), seed=SEED, begin_ms=(MONDAY - 1) * DAY_MS)
    noon_s = MONDAY * 86_400.0 + 43_200
    if is_late:
        store.replace_windows([FaultWindow("late", "late-data", noon_s, noon_s + 1800)])
    runs = store.day(MONDAY).runs
    every = pl.DataFrame({"loader": runs.loader, "finished_s": runs.finished_s, "inserted_s": runs.inserted_s})
    rule = next(rule for rule in load_shipped_rules() if rule.id == "run-records-late")
    found: set[str] = set()
    for minute in range(0, 40, 2):
        now_s = noon_s + minute * 60.0
        seen = every.filter(pl.col("inserted_s") <= now_s, pl.col("finished_s") > now_s - 14_400)
        found |= {event.labels["loader"] for event in look(rule, seen, now_s)}
    assert found == ({"orders", "payments", "clickstream"} if is_late else set())


def look(rule: object, seen: pl.DataFrame, now_s: float) -> list[AlertEvent]:
    """What the rule says of the records that are there now."""
    names = sorted(seen["loader"].unique())
    series = pl.DataFrame(
        {
            "series_id": range(len(names)),
            "loader_code": "DEMO-RUNS-SQL",
            "metric_name": "run_finished",
            "labels": [f'{{"loader":"{name}"}}' for name in names],
        }
    )
    points = seen.join(pl.DataFrame({"loader": names, "series_id": range(len(names))}), on="loader").select(
        "series_id",
        captured_at=pl.from_epoch((pl.col("finished_s") * 1e6).cast(pl.Int64), "us").dt.replace_time_zone("UTC"),
        metric_value=pl.lit(1.0),
    )
    now_us = int(now_s * 1e6)
    case = Case(name="-")
    now = datetime.fromtimestamp(now_s, UTC)
    window = SignalsWindow(
        series,
        points,
        CaseEvidence(case, points, origin=now),
        decided_until_us={"DEMO-RUNS-SQL": now_us - 120_000_000},
        complete_until_us={"DEMO-RUNS-SQL": now_us},
    )
    return evaluate_rules([rule], window, [], now=now).events  # type: ignore[list-item]
