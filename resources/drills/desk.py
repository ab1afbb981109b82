"""The drill desk: starts, stops and ends drills. State is rows alone, so that any process may go on where another was killed (E5).

A fault is made between two transactions: the row is there before it, and the fault ends by itself when nobody comes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, text

from domain.detection.alert_event import AlertStatus
from domain.drills.drill import Drill, DrillMode, DrillState
from domain.drills.scenario import LONGEST_S, SHORTEST_S, DrillRules
from domain.errors import ConflictError, EtlmonError, InputDataError, NotFoundError
from domain.incidents.lifecycle import Action, Request
from domain.incidents.view import IncidentState
from domain.ports import FaultInjector
from resources.access.audit_log import AuditLog
from resources.alerts.desk import AlertDesk
from resources.alerts.rows import hold_alerts
from resources.drills.reporting import compile_report
from resources.drills.rows import change_drill, find_open_drill, insert_drill, read_drill
from resources.drills.telling_apart import count_firing, list_incidents, release_outlivers
from resources.incidents.desk import IncidentDesk
from resources.incidents.rows import read_view
from resources.json_logs import get_logger
from resources.postgres.engine import transaction

_LOST_AFTER = timedelta(seconds=60)
_ACTOR = "drill"
_FADED = (
    "NOT EXISTS (SELECT FROM alerts AS a WHERE a.status = 'FIRING' AND a.is_drill AND a.annotations->>'drill' = d.drill_id::text)"
    " AND NOT EXISTS (SELECT FROM incidents AS i WHERE i.is_drill AND i.labels->>'drill' = d.drill_id::text"
    " AND i.state NOT IN ('RESOLVED', 'CLOSED'))"
)
_WANTS = text(
    "SELECT EXISTS (SELECT FROM drills AS d WHERE (state = 'STARTING' AND started_at <= :lost)"
    " OR (state = 'RUNNING' AND ends_at <= :now)"
    f" OR (state = 'ENDING' AND (ended_at <= :settled OR (ended_at <= :faded AND {_FADED}))))"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants to exercise."""

    scenario: str
    for_s: int | None = None
    is_escalating: bool = False


class DrillDesk:
    """Every method opens its own transactions: a fault is made outside of them."""

    def __init__(
        self, engine: Engine, alerts: AlertDesk, incidents: IncidentDesk, faults: FaultInjector, rules: DrillRules
    ) -> None:
        self._engine = engine
        self._alerts = alerts
        self._incidents = incidents
        self._faults = faults
        self.rules = rules

    def start(self, wanted: Wanted, *, actor: str, now: datetime, audit: AuditLog) -> Drill:
        """Begin; the fault is made, or the alert raised, before this returns.

        Raises:
            NotFoundError: no such scenario. ConflictError: a drill is under way, or the fault is there already.
            InputDataError: shorter than a minute or longer than four hours. SourceUnreachableError: the simulator went away.
        """
        scenario = self.rules.scenarios.get(wanted.scenario)
        if scenario is None:
            known = ", ".join(sorted(self.rules.scenarios))
            raise NotFoundError(f"there is no scenario {wanted.scenario[:80]!r}", suggestion=f"one of {known}")
        for_s = wanted.for_s or self.rules.default_for_s
        if not SHORTEST_S <= for_s <= LONGEST_S:
            raise InputDataError(
                f"a drill of {for_s} s makes no sense", suggestion="between a minute and four hours, for example 10m"
            )
        is_injected = scenario.fault is not None and self._faults.is_there()
        with transaction(self._engine) as connection:
            drill = insert_drill(
                connection,
                wanted.scenario,
                scenario,
                mode=DrillMode.INJECTED if is_injected else DrillMode.SYNTHETIC,
                is_escalating=wanted.is_escalating,
                actor=actor,
                now=now,
                ends_at=now + timedelta(seconds=for_s),
            )
            after = {"scenario": wanted.scenario, "mode": drill.mode, "for_s": for_s, "escalate": wanted.is_escalating}
            self._record(connection, audit, actor, "drill.start", drill, after=after)
        return self._launch(drill, now=now)

    def stop(self, drill_id: int | None, *, actor: str, now: datetime, audit: AuditLog) -> Drill:
        """End it before its time: the fault is cleared, its incidents are closed, late symptoms tell nobody.

        Raises:
            NotFoundError: no such drill, or none is under way. ConflictError: it has ended already.
        """
        with transaction(self._engine) as connection:
            drill = find_open_drill(connection) if drill_id is None else read_drill(connection, drill_id)
        if drill is None:
            raise NotFoundError("no drill is under way", suggestion="`etlmon drill list` shows the former ones")
        if drill.state in (DrillState.ENDING, DrillState.OVER):
            raise ConflictError(f"drill {drill.drill_id} has ended already", suggestion="nothing is left to stop")
        self._clear(drill)
        with transaction(self._engine) as connection:
            hold_alerts(connection)
            held = read_drill(connection, drill.drill_id, is_held=True)
            if held.state in (DrillState.ENDING, DrillState.OVER):  # its time came meanwhile
                return held
            drill = change_drill(
                connection, held.drill_id, state="ENDING", outcome="ABORTED", ended_at=now, stopped_by=actor
            )
            self._end_own_alert(connection, drill, now)
            self._close_incidents(connection, drill, f"{actor} stopped the drill", now)
            self._record(connection, audit, actor, "drill.stop", drill, before={"state": held.state})
        return drill

    def is_due(self, *, now: datetime) -> bool:
        """Whether `advance` has anything to do."""
        values = {"now": now, "lost": now - _LOST_AFTER, **self._waits(now)}
        with transaction(self._engine) as connection:
            return bool(connection.execute(_WANTS, values).scalar_one())

    def _waits(self, now: datetime) -> dict[str, datetime]:
        rules = self.rules
        return {"faded": now - timedelta(seconds=rules.fade_s), "settled": now - timedelta(seconds=rules.settle_s)}

    def advance(self, *, now: datetime) -> Drill | None:
        """What time brings: a start that got lost is repeated, a drill whose time is over ends, one that has faded is reported.

        The drill as it stands then; None when none is under way. Any process may call it, at any time.
        """
        with transaction(self._engine) as connection:
            drill = find_open_drill(connection)
        if drill is None:
            return None
        if drill.state is DrillState.STARTING and drill.ends_at > now >= drill.started_at + _LOST_AFTER:
            return self._launch(drill, now=now)
        with transaction(self._engine) as connection:
            hold_alerts(connection)
            drill = read_drill(connection, drill.drill_id, is_held=True)
            if drill.state in (DrillState.STARTING, DrillState.RUNNING) and drill.ends_at <= now:
                drill = change_drill(
                    connection, drill.drill_id, state="ENDING", outcome="COMPLETED", ended_at=drill.ends_at
                )
                self._end_own_alert(connection, drill, now)
            if drill.state is DrillState.ENDING and self._has_settled(connection, drill, now):
                drill = self._conclude(connection, drill, now)
        return drill

    def _launch(self, drill: Drill, *, now: datetime) -> Drill:
        """From STARTING to RUNNING; again and again without effect. What cannot be made ends the drill as FAILED."""
        if drill.mode is DrillMode.INJECTED and drill.scenario.fault:
            try:
                for_s = (drill.ends_at - drill.started_at).total_seconds()
                self._faults.make(drill.scenario.fault, at=drill.started_at, for_s=for_s)
            except EtlmonError as error:
                self._fail(drill, error, now)
                raise
        with transaction(self._engine) as connection:
            hold_alerts(connection)
            held = read_drill(connection, drill.drill_id, is_held=True)
            if held.state is not DrillState.STARTING:
                return held
            running = change_drill(connection, held.drill_id, state="RUNNING")
            if running.mode is DrillMode.SYNTHETIC:
                self._alerts.receive(connection, [running.own_alert(AlertStatus.FIRING, at=now)], now=now)
        return running

    def _fail(self, drill: Drill, error: EtlmonError, now: datetime) -> None:
        with transaction(self._engine) as connection:
            change_drill(
                connection, drill.drill_id, state="OVER", outcome="FAILED", ended_at=now, over_at=now,
                problem=f"{error.error_type}: {error.reason}",
            )  # fmt: skip

    def _clear(self, drill: Drill) -> None:
        if drill.mode is not DrillMode.INJECTED or drill.scenario.fault is None:
            return
        try:
            self._faults.clear(drill.scenario.fault)
        except EtlmonError as error:  # it ends by itself; closing what people see must not wait for it
            get_logger(__name__).warning("the fault of a drill was not cleared", drill=drill.drill_id, error=error)

    def _end_own_alert(self, connection: Connection, drill: Drill, now: datetime) -> None:
        if drill.mode is DrillMode.SYNTHETIC:
            self._alerts.receive(connection, [drill.own_alert(AlertStatus.RESOLVED, at=now)], now=now)

    def _has_settled(self, connection: Connection, drill: Drill, now: datetime) -> bool:
        assert drill.ended_at is not None
        if now >= drill.ended_at + timedelta(seconds=self.rules.settle_s):
            return True
        if now < drill.ended_at + timedelta(seconds=self.rules.fade_s):
            return False
        incidents = [read_view(connection, one) for one in list_incidents(connection, drill)]
        over = (IncidentState.RESOLVED, IncidentState.CLOSED)
        return not count_firing(connection, drill) and all(one.state in over for one in incidents)

    def _conclude(self, connection: Connection, drill: Drill, now: datetime) -> Drill:
        """The report, the end of its incidents, and what was no symptom becomes real."""
        freed = release_outlivers(connection, drill, now=now)
        report = compile_report(connection, drill, self.rules, outlivers=freed)
        self._close_incidents(connection, drill, "the drill is over", now)
        return change_drill(connection, drill.drill_id, state="OVER", over_at=now, report=report)

    def _close_incidents(self, connection: Connection, drill: Drill, reason: str, now: datetime) -> None:
        for incident_id in list_incidents(connection, drill):
            state = read_view(connection, incident_id).state
            steps = [] if state is IncidentState.CLOSED else [Action.RESOLVE, Action.CLOSE]
            for action in steps[1:] if state is IncidentState.RESOLVED else steps:
                self._incidents.act(connection, incident_id, Request(action, _ACTOR, _ACTOR, now, reason=reason))

    @staticmethod
    def _record(
        connection: Connection, audit: AuditLog, actor: str, action: str, drill: Drill, **change: dict[str, object]
    ) -> None:
        audit.record(
            connection, actor=actor, action=action, resource="drills", resource_id=str(drill.drill_id), **change
        )
