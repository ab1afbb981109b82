"""Drills on a real database: marked in every message, apart from what is real, stopped, survived, reported (E5)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from domain.detection.alert_event import AlertEvent
from domain.drills.drill import Drill, DrillMode, DrillOutcome, DrillState
from domain.drills.scenario import DrillRules
from domain.errors import ConflictError, InputDataError, NotFoundError, SourceUnreachableError
from domain.incidents.lifecycle import Action
from resources.access.audit_log import load_audit_log
from resources.alerts.desk import AlertDesk
from resources.alerts.policy import load_correlation_policy
from resources.drills.desk import DrillDesk, Wanted
from resources.drills.reporting import describe_steps
from resources.postgres.engine import transaction
from resources.rule_files import load_rule_file, shipped_rules
from tests.fakes.alert_world import make_event
from tests.fakes.made_faults import MadeFaults
from tests.fakes.notification import START, Estate, estate_on
from tests.fakes.platform import Platform

pytestmark = pytest.mark.requirement("E5")


class Exercise:
    """An estate with drills. Alerts are at `estate.now`."""

    def __init__(self, platform: Platform, estate: Estate) -> None:
        self.estate = estate
        self.faults = MadeFaults()
        self.audit = load_audit_log(platform.settings.home)
        self.alerts = AlertDesk(estate.incidents, load_correlation_policy())
        rules = load_rule_file(shipped_rules() / "drills.yaml", DrillRules)
        self.drills = DrillDesk(estate.engine, self.alerts, estate.incidents, self.faults, rules)

    def start(self, name: str = "connection-pool", **options: Any) -> Drill:
        return self.drills.start(Wanted(name, **options), actor="ada", now=self.estate.now, audit=self.audit)

    def stop(self, drill_id: int | None = None) -> Drill:
        return self.drills.stop(drill_id, actor="ada", now=self.estate.now, audit=self.audit)

    def receive(
        self, rule: str = "pool-saturated", *, over: bool = False, ago_s: float = 0, service: str = "loader"
    ) -> None:
        at = self.estate.now
        event: AlertEvent = replace(
            make_event(0, rule=rule, over=over, service=service),
            at=at,
            fired_at=at,
            onset_at=at - timedelta(seconds=ago_s),
        )
        with transaction(self.estate.engine) as connection:
            self.alerts.receive(connection, [event], now=at)
            sql = (
                "DELETE FROM rule_states WHERE fingerprint = :name"
                if over
                # what detection keeps of what fires
                else (
                    "INSERT INTO rule_states (rule_id, fingerprint, state, since, labels) VALUES (:rule, :name, 'FIRING', :at, '{}')"
                )
            )
            connection.execute(text(sql), {"rule": rule, "name": event.fingerprint, "at": at})

    def review(self) -> None:
        with transaction(self.estate.engine) as connection:
            self.alerts.review(connection, self.estate.now)

    def advance(self, seconds: float = 0) -> Drill:
        self.estate.later(seconds)
        is_due = self.drills.is_due(now=self.estate.now)
        found = self.drills.advance(now=self.estate.now)
        assert found is not None
        assert is_due or found.state is not DrillState.OVER
        return found

    def incidents(self) -> list[tuple[bool, str, str]]:
        """(is it a drill, title, state), oldest first."""
        return [
            (row.is_drill, row.title, row.state)
            for row in self.estate.ask("SELECT * FROM incidents ORDER BY incident_id")
        ]


@contextmanager
def exercise_on(platform: Platform) -> Iterator[Exercise]:
    with estate_on(platform) as estate:
        yield Exercise(platform, estate)


def test_from_the_fault_to_the_report(platform: Platform) -> None:
    with exercise_on(platform) as world:
        drill = world.start(for_s=600)
        assert (drill.mode, drill.state) == (DrillMode.INJECTED, DrillState.RUNNING)
        assert world.faults.active == {"connection-pool": START}
        with pytest.raises(ConflictError, match="under way"):
            world.start("error-burst")
        world.estate.later(60)
        world.receive()
        world.estate.tick(2)
        assert world.estate.sent()
        assert all(one.is_drill and one.facts["is_drill"] for one in world.estate.sent())
        world.estate.later(30)
        world.estate.act(1, Action.ACKNOWLEDGE, actor="ann")
        assert world.advance(520).state is DrillState.ENDING
        world.receive(over=True)
        world.estate.later(400)
        world.review()
        over = world.advance()
        assert (over.state, over.outcome) == (DrillState.OVER, DrillOutcome.COMPLETED)
        assert world.incidents() == [(True, "pool-saturated on loader", "CLOSED")]
        assert over.report
        lines = "\n".join(describe_steps(over.report))
        assert "incident                   2026-03-10 12:01:00" in lines
        assert "2.0 s after incident  target 15 s met" in lines
        assert "(by ann via api)" in lines
        assert over.report["targets_missed"] == []
        assert over.report["incidents"] == ["INC-1"]
        actions = world.estate.ask("SELECT action FROM audit_entries WHERE resource = 'drills'")
        assert [row.action for row in actions] == ["drill.start"]


def test_a_real_fault_meanwhile_is_a_real_incident_and_neither_touches_the_other(platform: Platform) -> None:
    with exercise_on(platform) as world:
        world.receive("pool-waiting", service="loader")  # real, before the drill, at the same place
        world.start()
        world.estate.later(60)
        world.receive()
        world.receive("authentication-failures", service="auth")
        world.receive("pod-memory", service="loader")  # the place of the drill, but none of its symptoms
        world.receive("pool-waiting", over=True, service="loader")
        kinds = [(drill, title) for drill, title, _ in world.incidents()]
        assert kinds == [
            (False, "pool-waiting on loader"),
            (True, "pool-saturated on loader"),
            (False, "authentication-failures on auth"),
        ]
        (memory,) = world.estate.ask("SELECT incident_id FROM alerts WHERE rule_id = 'pod-memory'")
        assert memory.incident_id == 1, "joins the real one"
        with pytest.raises(ConflictError, match="drill"):
            world.estate.act(2, Action.MERGE, into=1)
        # the drill ends; the same alert a minute later is real and reopens nothing of the drill
        world.advance(600)
        world.receive(over=True)
        world.estate.later(60)
        world.receive()
        real = world.estate.ask(
            "SELECT is_drill, incident_id FROM alerts WHERE rule_id = 'pool-saturated' ORDER BY alert_id"
        )
        assert [row.is_drill for row in real] == [True, False]
        assert real[1].incident_id != 2


def test_what_outlives_the_drill_is_real_and_pages(platform: Platform) -> None:
    with exercise_on(platform) as world:
        world.start(for_s=60)
        world.receive()
        world.estate.tick()
        assert world.advance(60).state is DrillState.ENDING
        assert world.advance(500).state is DrillState.ENDING, "symptoms may take a while to fade"
        over = world.advance(400)
        assert over.state is DrillState.OVER
        assert over.report
        assert over.report["outlivers"] == [1]
        world.estate.forget()
        world.review()
        assert world.incidents() == [
            (True, "pool-saturated on loader", "CLOSED"),
            (False, "pool-saturated on loader", "OPEN"),
        ]
        world.estate.tick()
        opened = [one for one in world.estate.sent() if one.kind == "opened"]
        assert opened
        assert not any(one.is_drill for one in opened)
        world.receive(over=True)
        assert not world.estate.ask("SELECT 1 FROM alerts WHERE status = 'FIRING'")


def test_stopping_clears_the_fault_closes_the_incident_and_late_symptoms_tell_nobody(platform: Platform) -> None:
    with exercise_on(platform) as world:
        with pytest.raises(NotFoundError):
            world.stop()
        drill = world.start()
        world.estate.later(60)
        world.receive()
        world.estate.tick()
        stopped = world.stop(drill.drill_id)
        assert (stopped.state, stopped.outcome, stopped.stopped_by) == (DrillState.ENDING, DrillOutcome.ABORTED, "ada")
        assert world.faults.active == {}
        assert world.incidents() == [(True, "pool-saturated on loader", "CLOSED")]
        with pytest.raises(ConflictError):
            world.stop(drill.drill_id)
        world.estate.forget()
        world.estate.later(20)
        world.receive("pool-waiting", ago_s=30, service="loader")  # judged after the end, began before
        world.review()
        world.estate.tick()
        assert len(world.incidents()) == 1
        assert all(one.kind == "resolved" for one in world.estate.sent())
        world.receive(over=True)
        world.receive("pool-waiting", over=True, service="loader")
        assert world.advance(100).state is DrillState.ENDING, "symptoms may still come late"
        assert world.advance(200).state is DrillState.OVER


def test_a_kill_between_row_and_fault_loses_nothing(platform: Platform) -> None:
    with exercise_on(platform) as world:
        drill = world.start()
        with transaction(world.estate.engine) as connection:  # as a kill would have left it
            from resources.drills.rows import change_drill

            change_drill(connection, drill.drill_id, state="STARTING")
        world.faults.active.clear()
        assert world.advance(30).state is DrillState.STARTING, "whoever started it may be at it still"
        assert world.advance(31).state is DrillState.RUNNING
        assert world.faults.active == {"connection-pool": START}
        assert world.advance(600).state is DrillState.ENDING, "nobody has to come back for it to end"
        assert world.advance(300).state is DrillState.OVER


def test_without_a_simulator_the_drill_raises_its_alert_and_spares_the_third_line(platform: Platform) -> None:
    with exercise_on(platform) as world:
        world.faults.is_present = False
        assert world.start("nobody-answers", for_s=3600).mode is DrillMode.SYNTHETIC
        for _ in range(12):
            world.estate.tick(301)
        told = {one.recipient for one in world.estate.sent()}
        assert told == {"ben", "cleo"}, "first and second line, no team, no manager"
        kinds = {row.kind for row in world.estate.ask("SELECT kind FROM incident_events")}
        assert "drill-spared" in kinds
        with transaction(world.estate.engine) as connection:
            from resources.incidents.rows import read_view

            view = read_view(connection, 1)
            assert not world.estate.notification.escalate_to_manager(
                connection, view, actor="ben", now=world.estate.now
            )
        world.advance()
        over = world.advance(901)
        assert over.report
        assert over.report["outlivers"] == []
        assert "acknowledged" in over.report["targets_missed"]
        world.start("nobody-answers", for_s=3600, is_escalating=True)
        world.estate.forget()
        for _ in range(12):
            world.estate.tick(301)
        assert "mia" in {one.recipient for one in world.estate.sent()}
        assert all(one.is_drill for one in world.estate.sent())


def test_what_cannot_be_started_says_why_and_leaves_nothing_open(platform: Platform) -> None:
    with exercise_on(platform) as world:
        with pytest.raises(NotFoundError, match="no scenario"):
            world.start("earthquake")
        for length in (5, 100_000):
            with pytest.raises(InputDataError):
                world.start(for_s=length)
        world.faults.is_away = True
        with pytest.raises(SourceUnreachableError):
            world.start()
        (row,) = world.estate.ask("SELECT state, outcome, problem FROM drills")
        assert (row.state, row.outcome) == ("OVER", "FAILED")
        assert "does not answer" in row.problem
        world.faults.is_away = False
        assert world.start().state is DrillState.RUNNING
