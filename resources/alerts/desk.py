"""The alert desk: takes events in, tells incidents of them, and looks again at what time alone changes.

Every method works in the caller's transaction, one after the other across all processes. Nothing here sends anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from domain.detection.alert_event import AlertEvent, AlertStatus
from domain.detection.correlation import CorrelationPolicy, rank_roots
from domain.detection.flapping import decide_flapping
from domain.detection.platform_events import BROKEN_RULE, event_of_broken_rule, platform_event
from domain.drills.marking import SEPARATOR
from domain.errors import ConflictError, InputDataError, RuleFileError
from domain.incidents.lifecycle import Action, Request, check_not_over
from domain.incidents.view import IncidentView, incident_code
from domain.vocabulary import Severity
from resources.alerts.admission import Admission, Admitted
from resources.alerts.groups import as_members
from resources.alerts.intake import read_flapping, take_in, write_flapping
from resources.alerts.rows import (
    AlertRow,
    DecisionRow,
    hold_alerts,
    read_alerts,
    write_decisions,
    write_incidents,
)
from resources.alerts.topology import read_graph
from resources.drills.telling_apart import mark_drill
from resources.incidents.desk import IncidentDesk, NewIncident
from resources.incidents.rows import lock_facts

_RANK = {severity: rank for rank, severity in enumerate(Severity)}
_HELD_BACK = (
    "a.status = 'FIRING' AND (a.incident_id IS NULL OR (a.suppressed_by IS NOT NULL AND NOT ("
    "(starts_with(a.suppressed_by, 'inhibited:') AND EXISTS (SELECT 1 FROM alerts AS s WHERE s.status = 'FIRING'"
    " AND s.alert_id = CASE WHEN starts_with(a.suppressed_by, 'inhibited:') THEN substr(a.suppressed_by, 11)::bigint END))"
    " OR (a.suppressed_by = 'flapping' AND a.is_flapping))))"
)
_STILL_FIRING = (
    "a.status = 'FIRING' AND a.suppressed_by IS NULL AND a.incident_id IN (SELECT incident_id FROM incidents"
    " WHERE state = 'RESOLVED' AND resolved_at BETWEEN :from AND :until)"
)
#: What a person has opened, or reopened after its alerts were over, is not over because alerts are.
_QUIET = text(
    "SELECT i.incident_id, max(a.resolved_at) AS quiet_since, count(*) AS alerts FROM incidents AS i JOIN alerts AS a USING (incident_id)"
    " WHERE i.state NOT IN ('RESOLVED', 'CLOSED') AND i.merged_into IS NULL AND NOT i.labels ? 'opened_by' AND NOT EXISTS ("
    "SELECT 1 FROM alerts AS f WHERE f.incident_id = i.incident_id AND (f.status = 'FIRING' OR f.is_flapping))"
    " GROUP BY i.incident_id HAVING max(a.resolved_at) <= :until"
    " AND NOT EXISTS (SELECT 1 FROM incident_events AS e WHERE i.reopened_count > 0 AND e.incident_id = i.incident_id"
    " AND e.kind = 'reopen' AND e.actor <> 'detection' AND e.at > max(a.resolved_at)) ORDER BY i.incident_id"
)
_GONE = text(
    "UPDATE alerts AS a SET status = 'RESOLVED', resolved_at = greatest(:now, a.last_seen_at),"
    " last_seen_at = greatest(:now, a.last_seen_at)"
    " WHERE a.status = 'FIRING' AND a.source = 'rule' AND EXISTS (SELECT 1 FROM detection_marks)"
    " AND NOT EXISTS (SELECT 1 FROM rule_states AS s WHERE s.fingerprint"
    f" = split_part(a.fingerprint, '{SEPARATOR}', 1)) RETURNING a.alert_id"
)

#: Both sides of a split say so: correlation leaves apart what a person has taken apart.
_MARK_SPLIT = text(
    "UPDATE incidents SET labels = labels || jsonb_build_object('split_into', CAST(:code AS text)), revision = revision + 1"
    " WHERE incident_id = :id"
)


@dataclass(frozen=True, slots=True)
class Received:
    """What became of events: counts of alerts, ids of incidents."""

    events: int = 0
    new_alerts: int = 0
    ended_alerts: int = 0
    merged_alerts: int = 0
    held_back: int = 0
    opened: tuple[int, ...] = ()
    joined: tuple[int, ...] = ()
    reopened: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What time changed: alerts that are over because their rule is gone or that flap no more, incidents told or resolved."""

    gone: int = 0
    calmed: int = 0
    opened: tuple[int, ...] = ()
    joined: tuple[int, ...] = ()
    reopened: tuple[int, ...] = ()
    resolved: tuple[int, ...] = ()


class AlertDesk:
    """Holds policy only; every call reads what it needs."""

    def __init__(self, incidents: IncidentDesk, policy: CorrelationPolicy) -> None:
        self._incidents = incidents
        self._policy = policy
        self._admission = Admission(incidents, policy)

    def receive(
        self,
        connection: Connection,
        events: Sequence[AlertEvent],
        *,
        now: datetime,
        broken: Sequence[RuleFileError] | None = None,
    ) -> Received:
        """Alerts out of events, and incidents out of alerts.

        Args:
            broken: the rule files that cannot be used now, where the caller has looked at them; None where it has not.
        """
        hold_alerts(connection)
        everything = mark_drill(connection, [*events, *self._broken_rules(connection, broken, now)])
        if not everything:
            return Received()
        found = take_in(connection, everything, now=now, limits=self._policy.flapping)
        for lost, into in found.emptied.items():
            self._close_emptied(connection, lost, into, now)
        self._note_flapping(connection, [found.rows[one] for one in found.began_flapping], now)
        asking = [found.rows[one] for one in sorted(found.begun)]
        admitted = self._admission.admit(connection, asking, now=now)
        return Received(
            events=len(everything),
            new_alerts=len(found.new),
            ended_alerts=len(found.ended),
            merged_alerts=found.merged,
            held_back=admitted.held_back,
            opened=tuple(admitted.opened),
            joined=tuple(admitted.joined),
            reopened=tuple(admitted.reopened),
        )

    def on_detection(
        self, connection: Connection, events: Sequence[AlertEvent], broken: Sequence[RuleFileError], now: datetime
    ) -> None:
        """`resources.detection.run.Receive`: the events of an evaluation, then what is due by time."""
        self.receive(connection, events, now=now, broken=broken)
        self.review(connection, now)

    def review(self, connection: Connection, now: datetime) -> Reviewed:
        """What is due by time alone: ended silences, calmed flapping, rules that are gone, incidents that are over."""
        hold_alerts(connection)
        gone = list(connection.execute(_GONE, {"now": now}).scalars())
        words = "its rule is gone or switched off"
        write_decisions(connection, [DecisionRow(one, "ended", words) for one in gone], now=now)
        calmed = self._calm(connection, now)
        admitted = self._readmit(connection, now)
        resolved = self._resolve_quiet(connection, now)
        return Reviewed(
            len(gone),
            calmed,
            tuple(admitted.opened),
            tuple(admitted.joined),
            tuple(admitted.reopened),
            tuple(resolved),
        )

    def split(
        self,
        connection: Connection,
        incident_id: int,
        alert_ids: Sequence[int],
        *,
        actor: str,
        cause: str,
        now: datetime,
    ) -> IncidentView:
        """Some alerts of an incident become an incident of their own, with clocks and timeline; both say so.

        Raises:
            NotFoundError: no such incident. InputDataError: not its alerts, or all of them. ConflictError: it is over.
        """
        hold_alerts(connection)
        facts, _ = lock_facts(connection, incident_id)
        check_not_over(facts, what="it cannot be split")
        rows = read_alerts(connection, "a.incident_id = :id", {"id": incident_id})
        wanted = set(alert_ids)
        leaving = [row for row in rows if row.alert_id in wanted]
        code = incident_code(incident_id)
        if len(leaving) < len(wanted) or not leaving or len(leaving) == len(rows):
            raise InputDataError(
                f"{code} can only be split by some of its own alerts",
                suggestion=f"it has {[row.alert_id for row in rows]}",
            )
        graph = read_graph(connection, self._policy)
        root, place = rank_roots(as_members(leaving, graph, self._policy), graph)[0]
        new = NewIncident(
            title=root.title,
            summary=root.summary,
            severity=min((row.severity for row in leaving), key=_RANK.__getitem__),
            category=root.category,
            service=place.partition(":")[2],
            onset_at=min(row.onset_at for row in leaving),
            labels={"root": place, "split_from": code},
            is_drill=root.is_drill,
        )
        view = self._incidents.open(connection, new, now=now, actor=actor)
        write_incidents(connection, {row.alert_id: view.incident_id for row in leaving})
        self._set_root(connection, view.incident_id, root.alert_id)
        self._choose_root_again(connection, incident_id, [row for row in rows if row.alert_id not in wanted])
        words = f"{actor} split {view.code} off {code}"
        write_decisions(connection, [DecisionRow(row.alert_id, "split", words) for row in leaving], now=now)
        connection.execute(_MARK_SPLIT, {"id": incident_id, "code": view.code})
        for one, other, kind in ((incident_id, view.code, "split"), (view.incident_id, code, "split-from")):
            detail = {"incident": other, "alerts": [row.alert_id for row in leaving]}
            self._incidents.note(connection, one, kind=kind, actor=actor, cause=cause, now=now, detail=detail)
        return view

    def _choose_root_again(self, connection: Connection, incident_id: int, rows: Sequence[AlertRow]) -> None:
        graph = read_graph(connection, self._policy)
        root, _ = rank_roots(as_members(rows, graph, self._policy), graph)[0]
        self._set_root(connection, incident_id, root.alert_id)

    @staticmethod
    def _set_root(connection: Connection, incident_id: int, alert_id: int) -> None:
        connection.execute(
            text("UPDATE incidents SET root_alert_id = :root WHERE incident_id = :id"),
            {"root": alert_id, "id": incident_id},
        )

    def _broken_rules(
        self, connection: Connection, broken: Sequence[RuleFileError] | None, now: datetime
    ) -> list[AlertEvent]:
        """Only what is new: a file that is broken still says nothing again."""
        if broken is None:
            return []
        told = read_alerts(connection, "a.rule_id = :rule AND a.status = 'FIRING'", {"rule": BROKEN_RULE})
        known = {row.fingerprint for row in told}
        present = {event.fingerprint: event for event in (event_of_broken_rule(one, at=now) for one in broken)}
        mended = [
            platform_event(BROKEN_RULE, row.title, row.summary, at=now, status=AlertStatus.RESOLVED, labels=row.labels)
            for row in told
            if row.fingerprint not in present
        ]
        return [event for event in present.values() if event.fingerprint not in known] + mended

    def _close_emptied(self, connection: Connection, incident_id: int, into: int, now: datetime) -> None:
        """Its last alert turned out to be part of another incident's."""
        is_left = connection.execute(
            text(
                "SELECT state NOT IN ('RESOLVED', 'CLOSED') AND NOT EXISTS (SELECT 1 FROM alerts WHERE incident_id = :id)"
                " AND (SELECT state NOT IN ('RESOLVED', 'CLOSED') FROM incidents WHERE incident_id = :into)"
                " FROM incidents WHERE incident_id = :id"
            ),
            {"id": incident_id, "into": into},
        ).scalar_one()
        if is_left:
            self._admission.merge(connection, incident_id, into, "a late event showed that both are one", now)

    def _note_flapping(self, connection: Connection, rows: Sequence[AlertRow], now: datetime) -> None:
        for incident_id in sorted({row.incident_id for row in rows if row.incident_id is not None}):
            titles = [row.title for row in rows if row.incident_id == incident_id]
            self._incidents.note(
                connection, incident_id, kind="flapping", actor="detection", cause="flapping", now=now,
                detail={"titles": titles[:20], "reason": "it flaps: no more is told of its changes until it is quiet"},
            )  # fmt: skip

    def _calm(self, connection: Connection, now: datetime) -> int:
        """End flapping where the changes have become few."""
        known = read_flapping(connection, "is_flapping", {})
        after = {
            fingerprint: decide_flapping(one, (), now=now, limits=self._policy.flapping)
            for fingerprint, one in known.items()
        }
        calm = {fingerprint: one for fingerprint, one in after.items() if not one.is_flapping}
        if not calm:
            return 0
        write_flapping(connection, calm, now=now)
        rows = connection.execute(
            text(
                "UPDATE alerts SET is_flapping = false WHERE fingerprint = ANY(:fingerprints) AND is_flapping"
                " RETURNING alert_id, incident_id, title"
            ),
            {"fingerprints": list(calm)},
        ).all()
        words = "it flaps no more"
        write_decisions(connection, [DecisionRow(row.alert_id, "calm", words) for row in rows], now=now)
        for row in rows:
            if row.incident_id is not None:
                self._incidents.note(
                    connection, row.incident_id, kind="flapping-ended", actor="detection", cause="flapping", now=now,
                    detail={"titles": [row.title]},
                )  # fmt: skip
        return len(calm)

    def _readmit(self, connection: Connection, now: datetime) -> Admitted:
        """Alerts that fire and are held back ask again; those for which nothing has changed stay as they are.

        So do those that fire on although somebody has resolved their incident some time ago.
        """
        still = {"from": now - timedelta(days=1), "until": now - timedelta(seconds=self._policy.still_firing_s)}
        rows = read_alerts(connection, _HELD_BACK, {}) + read_alerts(connection, _STILL_FIRING, still)
        return self._admission.admit(connection, list({row.alert_id: row for row in rows}.values()), now=now)

    def _resolve_quiet(self, connection: Connection, now: datetime) -> list[int]:
        until = now - timedelta(seconds=self._policy.quiet_s)
        resolved = []
        for row in connection.execute(_QUIET, {"until": until}).all():
            words = f"all {row.alerts} alerts are over since {row.quiet_since:%H:%M:%S} UTC"
            request = Request(Action.RESOLVE, "detection", "rule", now, reason=words)
            with suppress(ConflictError):  # a person was faster
                self._incidents.act(connection, row.incident_id, request)
                resolved.append(row.incident_id)
        return resolved
