"""The incident desk: opens incidents, joins alerts to them, and is the only one that changes their state.

Every method works inside the caller's transaction: state, timeline, clocks and the messages that follow are there together or
not at all. Whoever has to know of a change is told through `listener` in the same transaction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, text

from domain.errors import ConflictError
from domain.incidents.lifecycle import (
    Action,
    Decision,
    IncidentFacts,
    Request,
    check_not_over,
    decide_transition,
)
from domain.incidents.sla import Clock, Measure, SlaPolicy, pause, reopen, resume, retarget, start_clocks, stop
from domain.incidents.view import IncidentState, IncidentView
from domain.vocabulary import Severity
from resources.incidents.clocks import change_clocks, write_clocks
from resources.incidents.rows import hold_incidents, lock_facts, read_view
from resources.incidents.timeline import write_event


@dataclass(frozen=True, slots=True)
class NewIncident:
    """What an incident is opened with."""

    title: str
    summary: str
    severity: Severity
    category: str
    service: str
    onset_at: datetime
    labels: dict[str, str] = field(default_factory=dict)
    is_drill: bool = False


@dataclass(frozen=True, slots=True)
class Acted:
    """What became of an action; `note` says why nothing changed."""

    view: IncidentView
    is_change: bool
    note: str = ""


#: (connection, the incident after the change, what happened: "opened", "alert-joined" or an action's name, now)
Listener = Callable[[Connection, IncidentView, str, datetime], None]

_RANK = {severity: rank for rank, severity in enumerate(Severity)}  # most urgent first
_TAKEN = "acknowledged_at = coalesce(acknowledged_at, :now), acknowledged_by = coalesce(acknowledged_by, :actor)"
_STAMPS = {  # the first time counts; what is already there stays. Who works on it has acknowledged it
    Action.ACKNOWLEDGE: _TAKEN,
    Action.INVESTIGATE: _TAKEN,
    Action.REMEDIATE: _TAKEN,
    Action.MONITOR: f"{_TAKEN}, mitigated_at = coalesce(mitigated_at, :now)",
    Action.RESOLVE: "mitigated_at = coalesce(mitigated_at, :now), resolved_at = :now, snoozed_until = NULL",
    Action.CLOSE: "closed_at = :now",
    Action.REOPEN: "resolved_at = NULL, closed_at = NULL, mitigated_at = NULL, reopened_count = reopened_count + 1,"
    " last_reopened_at = :now",
    Action.SNOOZE: "snoozed_until = :until",
    Action.WAKE: "snoozed_until = NULL",
    Action.ASSIGN: "assignee = :assignee",
    Action.SET_SEVERITY: "severity = :severity",
    Action.MERGE: "merged_into = :into, closed_at = :now, snoozed_until = NULL",
}
_ENDS = {  # what each action stops the clocks of
    Action.ACKNOWLEDGE: {Measure.ACKNOWLEDGE},
    Action.INVESTIGATE: {Measure.ACKNOWLEDGE},
    Action.REMEDIATE: {Measure.ACKNOWLEDGE},
    Action.MONITOR: {Measure.ACKNOWLEDGE, Measure.MITIGATE},
    Action.RESOLVE: set(Measure),
    Action.MERGE: set(Measure),
}


class IncidentDesk:
    """Works on the connection it is given; holds nothing but policy and listener."""

    #: An entry of the timeline that changes nothing else.
    note = staticmethod(write_event)

    def __init__(self, policy: SlaPolicy, *, listener: Listener | None = None) -> None:
        self._policy = policy
        self._listener = listener

    def open(
        self,
        connection: Connection,
        new: NewIncident,
        *,
        now: datetime,
        actor: str = "detection",
        cause: str = "rule",
    ) -> IncidentView:
        """A new incident with running clocks; its timeline begins."""
        incident_id = connection.execute(
            text(
                "INSERT INTO incidents (title, summary, severity, category, service, state, is_drill, labels, onset_at, opened_at,"
                " last_alert_at) VALUES (:title, :summary, :severity, :category, :service, 'OPEN', :is_drill, :labels, :onset_at,"
                " :now, :now) RETURNING incident_id"
            ),
            {
                "title": new.title,
                "summary": new.summary,
                "severity": new.severity.value,
                "category": new.category,
                "service": new.service,
                "is_drill": new.is_drill,
                "labels": json.dumps(new.labels),
                "onset_at": min(new.onset_at, now),
                "now": now,
            },
        ).scalar_one()
        write_clocks(connection, incident_id, start_clocks(self._policy.targets[new.severity], at=now), self._policy)
        self.note(
            connection, incident_id, kind="opened", actor=actor, cause=cause, now=now, to_state=IncidentState.OPEN,
            detail={"severity": new.severity.value},
        )  # fmt: skip
        view = read_view(connection, incident_id)
        self._tell(connection, view, "opened", now)
        return view

    def join(
        self, connection: Connection, incident_id: int, alert_ids: Sequence[int], *, now: datetime, reason: str = ""
    ) -> IncidentView:
        """Alerts become part of an incident; a more urgent one raises its severity, an earlier onset moves its own."""
        _, before = lock_facts(connection, incident_id)
        connection.execute(
            text("UPDATE alerts SET incident_id = :id WHERE alert_id = ANY(:alerts)"),
            {"id": incident_id, "alerts": list(alert_ids)},
        )
        worst = connection.execute(
            text("SELECT severity, onset_at, title FROM alerts WHERE alert_id = ANY(:alerts)"),
            {"alerts": list(alert_ids)},
        ).all()
        onset = min([before.onset_at, *(row.onset_at for row in worst)])
        severity = min([before.severity, *(Severity(row.severity) for row in worst)], key=_RANK.__getitem__)
        connection.execute(
            text(
                "UPDATE incidents SET last_alert_at = :now, onset_at = :onset, revision = revision + 1 WHERE incident_id = :id"
            ),
            {"now": now, "onset": onset, "id": incident_id},
        )
        self.note(
            connection,
            incident_id,
            kind="alert-joined",
            actor="detection",
            cause="correlation",
            now=now,
            detail={"alerts": list(alert_ids), "titles": [row.title for row in worst][:20], "reason": reason},
        )
        if severity is not before.severity:
            raised = Request(
                Action.SET_SEVERITY,
                "detection",
                "correlation",
                now,
                reason="a more urgent alert joined",
                severity=severity,
            )
            return self.act(connection, incident_id, raised).view
        view = read_view(connection, incident_id)
        self._tell(connection, view, "alert-joined", now)
        return view

    def act(self, connection: Connection, incident_id: int, request: Request) -> Acted:
        """Do it if it is legal: state, instants, clocks and timeline in one.

        Raises:
            NotFoundError: no such incident. ConflictError: illegal now. InputDataError: a field is missing.
        """
        if request.action is Action.MERGE and request.into is not None:
            hold_incidents(connection, [incident_id, request.into])
        facts, before = lock_facts(connection, incident_id)
        decision = decide_transition(facts, request)
        if not decision.is_change:
            return Acted(before, is_change=False, note=decision.note)
        if request.action is Action.MERGE:
            self._merge(connection, before, request)
        stamps = "".join(f", {clause}" for clause in [_STAMPS.get(request.action, "")] if clause)
        connection.execute(
            text(f"UPDATE incidents SET state = :state, revision = revision + 1{stamps} WHERE incident_id = :id"),
            {
                "state": decision.after.value,
                "id": incident_id,
                "now": request.now,
                "actor": request.actor,
                "until": request.until,
                "assignee": request.assignee,
                "severity": request.severity.value if request.severity else None,
                "into": request.into,
            },
        )
        self._write_event(connection, incident_id, request, decision)
        self._move_clocks(connection, facts, request)
        view = read_view(connection, incident_id)
        self._tell(connection, view, request.action.value, request.now)
        return Acted(view, is_change=True)

    def _merge(self, connection: Connection, view: IncidentView, request: Request) -> None:
        """The alerts move to the other incident, which may not be merged or over itself."""
        assert request.into is not None
        target, other = lock_facts(connection, request.into)
        check_not_over(target, what="nothing can be merged into it")
        if view.is_drill != other.is_drill:
            raise ConflictError(
                f"one of {view.code} and {other.code} is a drill", suggestion="drills and real incidents stay apart"
            )
        moved = connection.execute(
            text("UPDATE alerts SET incident_id = :into WHERE incident_id = :id RETURNING alert_id"),
            {"into": request.into, "id": view.incident_id},
        ).scalars()
        if alerts := list(moved):
            self.join(connection, request.into, alerts, now=request.now, reason=f"{view.code} merged in")
        self.note(
            connection, request.into, kind="merged-in", actor=request.actor, cause=request.cause, now=request.now,
            detail={"incident": view.code, "reason": request.reason},
        )  # fmt: skip

    def _move_clocks(self, connection: Connection, facts: IncidentFacts, request: Request) -> None:
        at = request.now

        def change(clock: Clock) -> Clock:
            if request.action is Action.SNOOZE:
                return pause(clock, at=at)
            if request.action is Action.WAKE:
                return resume(clock, at=at)
            if request.action is Action.REOPEN:
                return reopen(clock, at=at, is_acknowledged=facts.acknowledged_by is not None)
            if request.action is Action.SET_SEVERITY and request.severity:
                return retarget(clock, self._policy.targets[request.severity], at=at)
            return stop(clock, at=at) if clock.measure in _ENDS.get(request.action, set()) else clock

        for missed in change_clocks(connection, facts.incident_id, self._policy, change, now=at):
            self.note(
                connection, facts.incident_id, kind="sla-breached", actor="platform", cause="sla", now=at,
                detail={"measure": missed.measure.value, "target_s": missed.target_s},
            )  # fmt: skip

    def _write_event(self, connection: Connection, incident_id: int, request: Request, decision: Decision) -> None:
        self.note(
            connection,
            incident_id,
            kind=request.action.value,
            actor=request.actor,
            cause=request.cause,
            now=request.now,
            from_state=decision.before,
            to_state=decision.after,
            detail=request.said,
        )

    def _tell(self, connection: Connection, view: IncidentView, what: str, now: datetime) -> None:
        if self._listener:
            self._listener(connection, view, what, now)
