"""The incident desk against a second opinion: random lives agree with a model; fifty people at once; merges crosswise."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import Connection, text

from domain.errors import ConflictError, EtlmonError, InputDataError, StorageError
from domain.incidents.lifecycle import Action, Request
from domain.incidents.view import IncidentState
from domain.vocabulary import Severity
from resources.incidents.clocks import read_clocks
from resources.incidents.desk import NewIncident
from resources.incidents.listing import IncidentRow, read_row
from resources.incidents.reading import TimelineEntry, read_timeline
from tests.fakes.alert_world import NOON, AlertWorld, make_event, make_world
from tests.fakes.incident_model import IncidentModel, request_of, stories
from tests.fakes.platform import Platform

pytestmark = [pytest.mark.requirement("E1"), pytest.mark.requirement("E3")]


@pytest.fixture
def world(platform: Platform) -> Iterator[AlertWorld]:
    found = make_world(platform)
    yield found
    found.engine.dispose()


def open_one(world: AlertWorld, connection: Connection, **changes: Any) -> int:
    fields = {"severity": Severity.HIGH, "is_drill": False, **changes}
    new = NewIncident("The pool is empty", "", category="transaction", service="loader", onset_at=NOON, **fields)
    return world.incidents.open(connection, new, now=NOON).incident_id


def read(connection: Connection, incident_id: int) -> tuple[IncidentRow, list[TimelineEntry]]:
    row = read_row(connection, incident_id)
    assert row is not None
    return row, read_timeline(connection, incident_id, limit=10_000)[0]


def replay(entries: list[TimelineEntry]) -> dict[str, Any]:
    """What the timeline alone says of the present."""
    found: dict[str, Any] = {"assignee": None, "snoozed_until": None}
    for one in entries:
        if one.to_state is not None:
            assert found.get("state", one.from_state) == one.from_state, "no gap in the story"
            found["state"] = one.to_state
        found["severity"] = one.detail.get("severity", found.get("severity"))
        if one.kind == Action.ASSIGN:
            found["assignee"] = one.detail.get("assignee")
        if one.kind == Action.SNOOZE:
            found["snoozed_until"] = one.detail["until"]
        if one.kind in (Action.WAKE, Action.RESOLVE, Action.MERGE):
            found["snoozed_until"] = None
    return found


def test_random_lives_agree_with_the_model(world: AlertWorld) -> None:
    with world.transaction() as connection:
        open_id, over_id, drill_id = (open_one(world, connection, is_drill=one) for one in (False, False, True))
        world.incidents.act(connection, over_id, Request(Action.RESOLVE, "ann", "api", NOON))

    @settings(max_examples=50, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(story=stories(others=(open_id, over_id, drill_id, 999_999)))
    def play(story: list[tuple[int, dict[str, Any]]]) -> None:
        with world.engine.connect() as connection:
            _play(world, connection, story, IncidentModel(NOON, Severity.HIGH, into_is_open={open_id: True}))
            connection.rollback()

    play()


def _play(
    world: AlertWorld, connection: Connection, story: list[tuple[int, dict[str, Any]]], model: IncidentModel
) -> None:
    incident_id = open_one(world, connection)
    before = read(connection, incident_id)
    for wait_s, step in story:
        model.wait(wait_s)
        request = request_of(step, model.now)
        expected = model.apply(request)
        assert _outcome(world, connection, incident_id, request) == expected, request
        row, entries = read(connection, incident_id)
        if expected == "changed":
            assert (row.revision, len(entries) > len(before[1])) == (before[0].revision + 1, True)
        else:
            assert (row, entries) == before, "what is refused changes nothing"
        before = (row, entries)
        _compare(model, row, entries, connection)


def _outcome(world: AlertWorld, connection: Connection, incident_id: int, request: Request) -> str:
    try:
        return "changed" if world.incidents.act(connection, incident_id, request).is_change else "same"
    except EtlmonError:
        return "refused"


def _compare(model: IncidentModel, row: IncidentRow, entries: list[TimelineEntry], connection: Connection) -> None:
    assert (row.state, row.severity, row.assignee, row.snoozed_until, row.merged_into) == (
        model.state,
        model.severity,
        model.assignee,
        model.snoozed_until,
        model.merged_into,
    )
    assert (row.acknowledged_by, row.acknowledged_at) == (model.taken_by, model.taken_at)
    clocks = read_clocks(connection, row.incident_id)
    assert {one.measure: one.spent_s(model.now) for one in clocks} == pytest.approx(model.spent)
    assert {one.measure for one in clocks if one.stopped_at} == model.stopped
    late = {
        one.measure
        for one in clocks
        if one.breached_at or (not one.stopped_at and one.spent_s(model.now) > one.target_s)
    }
    assert late == model.missed
    told = replay(entries)
    assert (told["state"], told["severity"], told["assignee"]) == (row.state, row.severity.value, row.assignee)
    assert told["snoozed_until"] == (str(row.snoozed_until) if row.snoozed_until else None)


def test_of_fifty_people_at_once_one_is_the_acknowledger(world: AlertWorld) -> None:
    with world.transaction() as connection:
        incident_id = open_one(world, connection)

    def acknowledge(number: int) -> bool:
        with world.transaction() as connection:
            request = Request(Action.ACKNOWLEDGE, f"person-{number}", "api", NOON + timedelta(seconds=number))
            return world.incidents.act(connection, incident_id, request).is_change

    with ThreadPoolExecutor(10) as people:
        changed = list(people.map(acknowledge, range(50)))
    assert changed.count(True) == 1
    (first,) = [number for number, is_first in enumerate(changed) if is_first]
    row = world.incident(incident_id)
    assert (row.acknowledged_by, row.revision, row.state) == (f"person-{first}", 2, "ACKNOWLEDGED")
    assert world.timeline(incident_id).count("acknowledge") == 1
    assert world.told.count((incident_id, "acknowledge")) == 1


def test_two_people_who_merge_crosswise_wait_for_each_other(world: AlertWorld) -> None:
    for _ in range(5):
        with world.transaction() as connection:
            one, other = open_one(world, connection), open_one(world, connection)

        def merge(pair: tuple[int, int]) -> str:
            try:
                with world.transaction() as connection:
                    request = Request(Action.MERGE, "ann", "api", NOON, into=pair[1])
                    world.incidents.act(connection, pair[0], request)
            except ConflictError:
                return "refused"
            return "merged"

        with ThreadPoolExecutor(2) as people:
            done = sorted(people.map(merge, [(one, other), (other, one)]))
        assert done == ["merged", "refused"]
        into = {world.incident(one).merged_into, world.incident(other).merged_into}
        assert into in ({None, one}, {None, other})


def test_what_is_merged_is_merged_whole_and_drills_stay_apart(world: AlertWorld) -> None:
    world.receive(
        make_event(0, service="loader", severity=Severity.LOW), make_event(0, rule="x", service="portal"), at=1
    )
    low, high = sorted((1, 2), key=lambda one: world.incident(one).severity, reverse=True)
    with world.transaction() as connection:
        drill = open_one(world, connection, is_drill=True)
        with pytest.raises(ConflictError, match="drill"):
            world.incidents.act(connection, high, Request(Action.MERGE, "ann", "api", NOON, into=drill))
        with pytest.raises(InputDataError, match="another"):
            world.incidents.act(connection, high, Request(Action.MERGE, "ann", "api", NOON, into=high))
    at = NOON + timedelta(minutes=5)
    with world.transaction() as connection:
        world.incidents.act(connection, high, Request(Action.MERGE, "ann", "page", at, into=low, reason="one"))
    row = world.incident(low)
    assert (row.severity, world.incident(high).state) == ("HIGH", "CLOSED")
    assert world.rows("SELECT count(*) AS n FROM alerts WHERE incident_id = :id", id=low)[0].n == 2
    assert world.timeline(low)[-3:] == ["alert-joined", "set-severity", "merged-in"]
    clocks = world.rows("SELECT stopped_at FROM sla_clocks WHERE incident_id = :id", id=high)
    assert {one.stopped_at for one in clocks} == {at}


def test_an_acknowledgement_and_the_watch_of_the_clocks_never_block_each_other(
    world: AlertWorld, platform: Platform
) -> None:
    """The watch takes incidents before their clocks, as people do: whom it meets in between it leaves for its next round."""
    from resources.operations import watch_clocks

    with world.transaction() as connection:
        held, free = open_one(world, connection), open_one(world, connection)
    later = NOON + timedelta(hours=1)
    with world.transaction() as connection:
        world.incidents.act(connection, held, Request(Action.COMMENT, "ann", "api", later, reason="looking"))
        seen = watch_clocks(platform.settings, world.engine, now=later)
        assert (seen.breached, seen.warned) == (1, 0)  # of the other one
    assert world.timeline(held).count("sla-breached") == 1  # the comment found it out
    assert watch_clocks(platform.settings, world.engine, now=later).breached == 0
    assert {world.timeline(one).count("sla-breached") for one in (held, free)} == {1}
    missed = world.rows("SELECT DISTINCT breached_at FROM sla_clocks WHERE breached_at IS NOT NULL")
    assert [one.breached_at for one in missed] == [NOON + timedelta(seconds=900)]
    with world.engine.connect() as connection:
        found = connection.execute(
            text("SELECT state FROM incidents WHERE incident_id = :id"), {"id": free}
        ).scalar_one()
    assert found == IncidentState.OPEN


def test_what_a_person_reopens_stays_open_until_its_alerts_were_there_again(world: AlertWorld) -> None:
    world.receive(make_event(0), at=1)
    world.receive(make_event(5, over=True, began=0), at=6)
    assert world.review(20).resolved == (1,)
    with world.transaction() as connection:
        request = Request(Action.REOPEN, "ann", "page", NOON + timedelta(minutes=30), reason="customers still wait")
        world.incidents.act(connection, 1, request)
    assert world.review(31).resolved == ()
    world.receive(make_event(40), at=41)
    world.receive(make_event(45, over=True, began=40), at=46)
    assert world.review(60).resolved == (1,)
    world.receive(make_event(70), at=71)  # detection reopens it itself, and its sample is older than that
    assert world.incident(1).reopened_count == 2
    world.receive(make_event(70.5, over=True, began=70), at=72)
    assert world.review(90).resolved == (1,)


def test_what_happened_cannot_be_altered_or_removed(world: AlertWorld) -> None:
    world.receive(make_event(0))
    before = world.rows("SELECT * FROM incident_events ORDER BY event_id")
    assert before
    for statement in ("UPDATE incident_events SET actor = 'nobody'", "DELETE FROM incident_events"):
        with pytest.raises(StorageError, match="incident_events is append-only"), world.transaction() as connection:
            connection.execute(text(statement))
    assert world.rows("SELECT * FROM incident_events ORDER BY event_id") == before
