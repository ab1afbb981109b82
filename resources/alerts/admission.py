"""Which alerts tell somebody: held back, given to an incident that is open, reopened, or opened. Every answer leaves its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from domain.detection.correlation import (
    CorrelationPolicy,
    Group,
    Member,
    correlate,
    find_absorbed,
    is_placeless,
    rank_roots,
)
from domain.detection.inhibition import decide_inhibitions
from domain.detection.service_graph import ServiceGraph
from domain.incidents.lifecycle import Action, Request
from domain.incidents.view import IncidentState, incident_code
from domain.vocabulary import Severity
from resources.alerts.groups import as_members, read_groups
from resources.alerts.rows import (
    AlertRow,
    DecisionRow,
    write_decisions,
    write_incidents,
    write_marks,
)
from resources.alerts.suppressions import read_suppressions
from resources.alerts.topology import read_graph
from resources.drills.telling_apart import read_stopped
from resources.incidents.desk import IncidentDesk, NewIncident

_RANK = {severity: rank for rank, severity in enumerate(Severity)}
_FORMER = text(
    "WITH RECURSIVE newest AS (SELECT DISTINCT ON (a.fingerprint) a.fingerprint, a.incident_id,"
    " CASE WHEN a.status = 'RESOLVED' THEN a.last_seen_at END AS ended_at FROM alerts AS a"
    " WHERE a.fingerprint = ANY(:fingerprints) AND a.incident_id IS NOT NULL ORDER BY a.fingerprint, a.last_seen_at DESC),"
    " led AS (SELECT n.fingerprint, n.ended_at, i.incident_id, i.state, i.merged_into, i.resolved_at, i.closed_at FROM newest AS n"
    " JOIN incidents AS i USING (incident_id)"
    " UNION SELECT l.fingerprint, l.ended_at, i.incident_id, i.state, i.merged_into, i.resolved_at, i.closed_at FROM led AS l"
    " JOIN incidents AS i ON i.incident_id = l.merged_into)"
    " SELECT fingerprint, ended_at, incident_id, state, coalesce(resolved_at, closed_at) AS over_at FROM led WHERE merged_into IS NULL"
)


@dataclass(slots=True)
class Admitted:
    """What became of the alerts that asked: incident ids, and how many were held back."""

    opened: list[int] = field(default_factory=list)
    joined: list[int] = field(default_factory=list)
    reopened: list[int] = field(default_factory=list)
    held_back: int = 0


@dataclass(slots=True)
class _Case:
    """One call: the alerts still asking, and what is to be written at its end."""

    connection: Connection
    now: datetime
    asking: list[AlertRow]
    graph: ServiceGraph
    answer: Admitted = field(default_factory=Admitted)
    decisions: list[DecisionRow] = field(default_factory=list)
    marks: dict[int, str | None] = field(default_factory=dict)
    given: dict[int, int] = field(default_factory=dict)  # to be written
    joined: dict[int, int] = field(default_factory=dict)  # written by the incident desk
    former: dict[int, int] = field(default_factory=dict)

    def hold_back(self, row: AlertRow, mark: str, kind: str, reason: str) -> None:
        self.answer.held_back += 1
        if row.suppressed_by != mark:
            self.marks[row.alert_id] = mark
            self.decisions.append(DecisionRow(row.alert_id, kind, reason))

    def let_through(self, row: AlertRow) -> None:
        if row.suppressed_by is not None:
            self.marks[row.alert_id] = None
            self.decisions.append(DecisionRow(row.alert_id, "released", f"no longer held back by {row.suppressed_by}"))


class Admission:
    """Decides for alerts that fire and belong to no open incident, or were held back so far."""

    def __init__(self, incidents: IncidentDesk, policy: CorrelationPolicy) -> None:
        self._incidents = incidents
        self._policy = policy

    def admit(self, connection: Connection, rows: Sequence[AlertRow], *, now: datetime) -> Admitted:
        """Hold back, join, reopen or open; one incident after the other, alerts set-based."""
        if not rows:
            return Admitted()
        case = _Case(connection, now, list(rows), read_graph(connection, self._policy))
        self._suppress(case)
        members = as_members(case.asking, case.graph, self._policy)
        groups, others = read_groups(connection, members, case.graph, self._policy, now=now)
        symptoms = self._inhibit(case, others)
        for row in case.asking:
            case.let_through(row)
        self._relapse(case)
        still = {row.alert_id for row in case.asking}
        alerts = [one for one in members if one.alert_id in still]
        changed = correlate(alerts, groups, case.graph, self._policy)
        for group in changed:
            self._apply(case, group)
        self._absorb(case, changed, groups)
        self._attach_symptoms(case, symptoms, others)
        write_incidents(connection, case.given)
        write_marks(connection, case.marks)
        write_decisions(connection, case.decisions, now=now)
        return case.answer

    def _suppress(self, case: _Case) -> None:
        if not case.asking:
            return
        verdicts = read_suppressions(case.connection, at=case.now).judge(
            [row.words for row in case.asking], at=case.now
        )
        stopped = read_stopped(case.connection) if any(row.is_drill for row in case.asking) else None
        free = []
        for row, verdict in zip(case.asking, verdicts, strict=True):
            if verdict is None and row.is_drill and stopped:
                case.hold_back(row, stopped, "drill-over", "the drill was stopped; what fires on is told as real later")
                continue
            if verdict is None:
                free.append(row)
                continue
            until = f", until {verdict.until:%Y-%m-%d %H:%M} UTC" if verdict.until else ""
            case.hold_back(row, verdict.mark, verdict.kind, f"{verdict.reason}{until}")
        case.asking = free

    def _inhibit(self, case: _Case, others: Sequence[AlertRow]) -> list[tuple[AlertRow, AlertRow]]:
        """Pairs of symptom and cause; the symptoms no longer ask."""
        own = {row.alert_id for row in case.asking}
        sources = [*case.asking, *(row for row in others if row.is_firing and row.alert_id not in own)]
        verdicts = decide_inhibitions(
            self._policy.inhibit,
            targets=[_words_apart(row) for row in case.asking],
            sources=[_words_apart(row) for row in sources],
            is_same={index: index for index in range(len(case.asking))},
            apart="is_drill",
        )
        pairs, free = [], []
        for row, verdict in zip(case.asking, verdicts, strict=True):
            if verdict is None:
                free.append(row)
                continue
            source, rule = sources[verdict[0]], verdict[1]
            words = f"a symptom of “{source.title}” ({rule}), which fires as alert {source.alert_id}"
            case.hold_back(row, f"inhibited:{source.alert_id}", "inhibited", words)
            pairs.append((row, source))
        case.asking = free
        return pairs

    def _attach_symptoms(
        self, case: _Case, pairs: Sequence[tuple[AlertRow, AlertRow]], others: Sequence[AlertRow]
    ) -> None:
        """A symptom is seen at the incident of its cause, without making it worse."""
        where = {row.alert_id: row.incident_id for row in others if row.incident_id} | case.joined | case.given
        for row, source in pairs:
            incident_id = where.get(source.alert_id, source.incident_id)
            if incident_id is not None and row.incident_id != incident_id:
                case.given[row.alert_id] = incident_id

    def _relapse(self, case: _Case) -> None:
        """The same alert as before: its incident is open still, or was closed a short while ago."""
        rows = case.connection.execute(_FORMER, {"fingerprints": [row.fingerprint for row in case.asking]}).all()
        former = {row.fingerprint: row for row in rows}
        back: dict[int, list[AlertRow]] = {}
        free = []
        for row in case.asking:
            known = former.get(row.fingerprint)
            if known is None:
                free.append(row)
                continue
            is_over = IncidentState(known.state).is_over
            since = known.over_at if is_over else known.ended_at
            if since is None or row.fired_at - since <= timedelta(seconds=self._policy.relapse_s):
                if is_over and row.is_flapping:
                    words = f"it flaps; {incident_code(known.incident_id)} is not opened again for it"
                    case.hold_back(row, "flapping", "flapping", words)
                    case.given[row.alert_id] = known.incident_id
                else:
                    back.setdefault(known.incident_id, []).append(row)
                continue
            if is_over:
                case.former[row.alert_id] = known.incident_id
            free.append(row)
        for incident_id, some in back.items():
            self._return(case, incident_id, some)
        case.asking = free

    @staticmethod
    def _is_over(case: _Case, incident_id: int) -> bool:
        """Its state now, held until the end of the transaction."""
        query = text("SELECT state FROM incidents WHERE incident_id = :id FOR UPDATE")
        return IncidentState(case.connection.execute(query, {"id": incident_id}).scalar_one()).is_over

    def _return(self, case: _Case, incident_id: int, rows: list[AlertRow]) -> None:
        is_over = self._is_over(case, incident_id)
        code, titles = incident_code(incident_id), ", ".join(row.title for row in rows[:3])
        if is_over:
            request = Request(Action.REOPEN, "detection", "rule", case.now, reason=f"it fires again or still: {titles}")
            self._incidents.act(case.connection, incident_id, request)
            case.answer.reopened.append(incident_id)
        elsewhere = [row for row in rows if row.incident_id != incident_id or row.suppressed_by is not None]
        if elsewhere:
            ids = [row.alert_id for row in elsewhere]
            self._incidents.join(case.connection, incident_id, ids, now=case.now, reason="the same alert as before")
            case.answer.joined.append(incident_id)
            case.joined |= dict.fromkeys(ids, incident_id)
        kind = "reopened" if is_over else "joined"
        words = (
            f"{code} was over and is reopened: the same alert"
            if is_over
            else f"the same alert as before: {code} is still open"
        )
        case.decisions += [DecisionRow(row.alert_id, kind, words) for row in rows]

    def _apply(self, case: _Case, group: Group) -> None:
        if group.incident_id is not None and self._is_over(case, group.incident_id):
            group.incident_id, group.members = None, []  # somebody was faster: nothing joins what is over
        if group.incident_id is None:
            self._open(case, group)
        else:
            self._join(case, group)

    def _open(self, case: _Case, group: Group) -> None:
        root, place = self._root(group, case.graph)
        group.root_place, group.root_alert_id = place, root.alert_id
        ids = [one.alert_id for one in group.joined]
        former = sorted({case.former[one] for one in ids if one in case.former})
        view = self._incidents.open(
            case.connection,
            NewIncident(
                title=_title(root, group),
                summary=_summary(root, group, former),
                severity=min((one.severity for one in group.joined), key=_RANK.__getitem__),
                category=root.category,
                service=_service(place),
                onset_at=group.onset_at,
                labels={"root": place},
                is_drill=group.is_drill,
            ),
            now=case.now,
        )
        group.incident_id, group.opened_at = view.incident_id, case.now
        case.connection.execute(
            text(
                "UPDATE incidents AS i SET root_alert_id = a.alert_id, labels = CASE WHEN a.annotations ? 'drill' THEN i.labels"
                " || jsonb_build_object('drill', a.annotations->>'drill') ELSE i.labels END"
                " FROM alerts AS a WHERE a.alert_id = :root AND i.incident_id = :id"
            ),
            {"root": root.alert_id, "id": view.incident_id},
        )
        case.given |= dict.fromkeys(ids, view.incident_id)
        case.answer.opened.append(view.incident_id)
        detail = {"alerts": ids, "titles": [one.title for one in group.joined][:20], "reason": _words(group)}
        self._note(case, view.incident_id, "alert-joined", detail)
        if former:
            self._note(case, view.incident_id, "former-incident", {"former": [incident_code(one) for one in former]})
        words = f"{view.code} was opened; its likeliest cause is “{root.title}”"
        case.decisions += [DecisionRow(one, "opened", words) for one in ids]

    def _join(self, case: _Case, group: Group) -> None:
        assert group.incident_id is not None
        code = incident_code(group.incident_id)
        ids = [one.alert_id for one in group.joined]
        self._incidents.join(case.connection, group.incident_id, ids, now=case.now, reason=_words(group))
        case.answer.joined.append(group.incident_id)
        case.joined |= dict.fromkeys(ids, group.incident_id)
        case.decisions += [DecisionRow(one, "joined", f"it belongs to {code}: {_words(group)}") for one in ids]
        is_young = group.opened_at and case.now - group.opened_at < timedelta(seconds=self._policy.root_may_change_s)
        is_worse = min(map(_urgency, group.joined)) < min(map(_urgency, group.members), default=0)
        if (is_young or is_worse or is_placeless(group.root_place)) and not group.root_place.startswith("storm:"):
            self._name_anew(case, group)

    def _name_anew(self, case: _Case, group: Group) -> None:
        root, place = self._root(group, case.graph)
        if root.alert_id == group.root_alert_id:
            return
        group.root_alert_id, group.root_place = root.alert_id, place
        values = {
            "id": group.incident_id,
            "root": root.alert_id,
            "title": _title(root, group),
            "summary": _summary(root, group, []),
            "category": root.category,
            "service": _service(place),
            "place": place,
        }
        case.connection.execute(
            text(
                "UPDATE incidents SET root_alert_id = :root, title = :title, summary = :summary, category = :category,"
                " service = :service, labels = labels || jsonb_build_object('root', CAST(:place AS text)), revision = revision + 1"
                " WHERE incident_id = :id"
            ),
            values,
        )
        assert group.incident_id is not None
        self._note(case, group.incident_id, "root-changed", {"title": values["title"], "alert": root.alert_id})

    def _root(self, group: Group, graph: ServiceGraph) -> tuple[Member, str]:
        root, place = rank_roots(group.everybody, graph)[0]
        return root, group.root_place if group.root_place.startswith("storm:") else place

    def _absorb(self, case: _Case, changed: Sequence[Group], groups: Sequence[Group]) -> None:
        """A young incident that turns out to be a symptom of another one goes into it."""
        gone: set[int | None] = set()
        for symptom, cause in find_absorbed(changed, groups, case.graph, now=case.now, policy=self._policy):
            if symptom.incident_id is None or {symptom.incident_id, cause.incident_id} & gone:
                continue
            gone.add(symptom.incident_id)
            write_incidents(case.connection, case.given)
            self.merge(
                case.connection, symptom.incident_id, cause.incident_id, "its services depend on the cause", case.now
            )
            case.given = {one: cause.incident_id if into == symptom.incident_id else into for one, into in case.given.items()
                          if cause.incident_id is not None}  # fmt: skip

    def merge(self, connection: Connection, incident_id: int, into: int | None, reason: str, now: datetime) -> None:
        """One incident into another, by the platform."""
        request = Request(Action.MERGE, "detection", "correlation", now, reason=reason, into=into)
        self._incidents.act(connection, incident_id, request)

    def _note(self, case: _Case, incident_id: int, kind: str, detail: dict[str, Any]) -> None:
        self._incidents.note(
            case.connection, incident_id, kind=kind, actor="detection", cause="correlation", now=case.now, detail=detail
        )


def _words_apart(row: AlertRow) -> dict[str, str]:
    """With the word that keeps drills and what is real from silencing each other."""
    return {**row.words, "is_drill": str(row.is_drill)}


def _urgency(one: Member) -> int:
    return _RANK[one.severity]


def _service(place: str) -> str:
    return "" if place.startswith(("rule:", "storm:")) else place.partition(":")[2]


def _title(root: Member, group: Group) -> str:
    if group.root_place.startswith("storm:") and len(group.everybody) > 1:
        return f"{root.title} and {len(group.everybody) - 1} more of the same kind"
    return root.title


def _summary(root: Member, group: Group, former: Sequence[int]) -> str:
    others = [one.title for one in group.everybody if one.alert_id != root.alert_id]
    words = [root.summary]
    if others:
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        words.append(f"Also: {'; '.join(others[:5])}{more}.")
    if former:
        words.append(f"It was there before: {', '.join(map(incident_code, former))}.")
    return " ".join(word for word in words if word)


def _words(group: Group) -> str:
    return (
        ", ".join(reason for reason, _ in group.reasons.most_common() if reason != "first") or "it opened the incident"
    )
