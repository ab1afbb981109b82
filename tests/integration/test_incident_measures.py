"""Measures and SLA report out of stored incidents: merged ones count once, reopened ones to their end, drills apart (E3)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from domain.incidents.lifecycle import Action, Request
from domain.incidents.measures import Duration, Measured
from domain.incidents.sla import Measure
from domain.vocabulary import Severity
from resources.incidents.desk import NewIncident
from resources.incidents.measuring import measure_incidents, report_compliance
from tests.fakes.alert_world import NOON, AlertWorld, make_world
from tests.fakes.platform import Platform

pytestmark = pytest.mark.requirement("E3")


@pytest.fixture
def world(platform: Platform) -> Iterator[AlertWorld]:
    found = make_world(platform)
    yield found
    found.engine.dispose()


def open_at(world: AlertWorld, minutes: float, *, onset: float | None = None, **changes: Any) -> int:
    at = NOON + timedelta(minutes=minutes)
    began = at if onset is None else NOON + timedelta(minutes=onset)
    fields = {"severity": Severity.HIGH, "labels": {} if onset is not None else {"onset": "unknown"}, **changes}
    with world.transaction() as connection:
        new = NewIncident("down", "", category="log", service="", onset_at=began, **fields)
        return world.incidents.open(connection, new, now=at).incident_id


def act(world: AlertWorld, incident_id: int, minutes: float, action: Action, **fields: Any) -> None:
    request = Request(action, "ann", "api", NOON + timedelta(minutes=minutes), **fields)
    with world.transaction() as connection:
        world.incidents.act(connection, incident_id, request)


def measured(world: AlertWorld, begin: float = 0, end: float = 600) -> dict[str, Measured]:
    with world.transaction() as connection:
        lines = measure_incidents(connection, start=NOON + timedelta(minutes=begin), end=NOON + timedelta(minutes=end))
    return {"drills" if one.is_drill else one.severity.value if one.severity else "all": one for one in lines}


def minutes_of(line: Measured, duration: Duration) -> float | None:
    seconds = line.durations[duration].median_s
    return None if seconds is None else seconds / 60


def test_a_fault_is_counted_as_people_met_it(world: AlertWorld) -> None:
    first = open_at(world, 0, onset=-2)
    second = open_at(world, 5, onset=3)
    act(world, first, 8, Action.ACKNOWLEDGE)
    act(world, first, 10, Action.MERGE, into=second)
    act(world, second, 20, Action.MONITOR)
    act(world, second, 30, Action.RESOLVE)
    line = measured(world)["HIGH"]
    assert line.faults == 1
    assert {one: minutes_of(line, one) for one in Duration} == {
        Duration.DETECT: 2,
        Duration.ACKNOWLEDGE: 8,
        Duration.MITIGATE: 20,
        Duration.RESOLVE: 30,
    }
    assert measured(world, 4, 600)["HIGH"].faults == 0  # it began before
    act(world, second, 100, Action.REOPEN)
    assert minutes_of(measured(world)["HIGH"], Duration.RESOLVE) is None  # it is not over
    act(world, second, 110, Action.SNOOZE, until=NOON + timedelta(minutes=200))
    act(world, second, 200, Action.WAKE)
    act(world, second, 210, Action.RESOLVE)
    assert (
        minutes_of(measured(world)["HIGH"], Duration.RESOLVE) == 210
    )  # the clock on the wall does not stop for a snooze
    unseen = open_at(world, 300, severity=Severity.LOW)
    act(world, unseen, 310, Action.RESOLVE)
    act(world, unseen, 400, Action.REOPEN)
    act(world, unseen, 407, Action.ACKNOWLEDGE)
    low = measured(world)["LOW"]
    assert (minutes_of(low, Duration.DETECT), minutes_of(low, Duration.ACKNOWLEDGE)) == (None, 7)
    drill = open_at(world, 50, onset=49, is_drill=True)
    act(world, drill, 51, Action.RESOLVE)
    found = measured(world)
    assert (found["all"].faults, found["drills"].faults, minutes_of(found["drills"], Duration.RESOLVE)) == (2, 1, 1)


def test_the_report_counts_clocks_that_live_through_snooze_reopening_and_severity(world: AlertWorld) -> None:
    snoozed = open_at(world, 0)  # HIGH: 15 min to acknowledge, 4 h to resolve
    act(world, snoozed, 10, Action.SNOOZE, until=NOON + timedelta(minutes=300))
    act(world, snoozed, 300, Action.WAKE)
    act(world, snoozed, 304, Action.ACKNOWLEDGE)  # 14 minutes that count
    act(world, snoozed, 310, Action.RESOLVE)
    act(world, snoozed, 1_000, Action.REOPEN)
    act(world, snoozed, 1_100, Action.RESOLVE)  # 120 minutes that count
    raised = open_at(world, 0, severity=Severity.LOW)
    act(world, raised, 60, Action.SET_SEVERITY, severity=Severity.CRITICAL)  # an hour is more than 5 and 30 minutes
    act(world, raised, 61, Action.RESOLVE)
    forgotten = open_at(world, 0, severity=Severity.MEDIUM)
    merged = open_at(world, 1)
    act(world, merged, 2, Action.MERGE, into=forgotten)
    open_at(world, 1, is_drill=True)
    at = NOON + timedelta(hours=48)
    with world.transaction() as connection:
        found = report_compliance(connection, start=NOON, end=at, now=at)
    met = {(one.severity, one.measure): (one.met, one.missed, one.missed_open) for one in found.lines}
    assert {met[Severity.HIGH, one] for one in Measure} == {(1, 0, 0)}
    assert [met[Severity.CRITICAL, one] for one in Measure] == [(0, 1, 0), (0, 1, 0), (0, 1, 0)]
    assert {met[Severity.MEDIUM, one] for one in Measure} == {(0, 0, 1)}
    assert {met[None, one] for one in Measure} == {(1, 1, 1)}
    assert found.incidents == 3
    assert {one.incident_id for one in found.worst} == {raised, forgotten}
    missed = world.rows(
        "SELECT breached_at FROM sla_clocks WHERE incident_id = :id AND measure = 'mitigate'", id=raised
    )
    assert missed[0].breached_at == NOON + timedelta(minutes=60)
    assert world.timeline(raised).count("sla-breached") == 3
