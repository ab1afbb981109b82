"""Incidents as lists: one query with filters, and how many wait for whom. One incident with all that belongs to it: `reading`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from domain.errors import InputDataError
from domain.incidents.lifecycle import Action, IncidentFacts, list_actions
from domain.incidents.view import IncidentState, find_number, incident_code
from domain.vocabulary import Severity

_STORED = (
    "incident_id, title, summary, severity, category, service, state, is_drill, labels, root_alert_id, onset_at, opened_at,"
    " acknowledged_at, acknowledged_by, mitigated_at, resolved_at, closed_at, reopened_count, last_reopened_at, snoozed_until,"
    " assignee, merged_into, last_alert_at, revision"
)
_COUNTED = (
    "(SELECT count(*) FROM alerts AS a WHERE a.incident_id = i.incident_id) AS alerts,"
    " (SELECT count(*) FROM alerts AS a WHERE a.incident_id = i.incident_id AND a.status = 'FIRING') AS firing,"
    " (SELECT min(due_at) FROM sla_clocks AS c WHERE c.incident_id = i.incident_id AND c.breached_at IS NULL) AS next_due_at,"
    " EXISTS (SELECT 1 FROM sla_clocks AS c WHERE c.incident_id = i.incident_id AND c.breached_at IS NOT NULL) AS is_breached"
)
_OVER = "state IN ('RESOLVED', 'CLOSED')"
_RANK = "array_position(ARRAY['CRITICAL', 'HIGH', 'MEDIUM', 'LOW'], severity)"
_STATE = "array_position(ARRAY['OPEN', 'ACKNOWLEDGED', 'INVESTIGATING', 'REMEDIATING', 'MONITORING', 'RESOLVED', 'CLOSED'], state)"
#: Name → columns with their directions; what ties is ordered by number, the newest first.
_SORTS: dict[str, list[tuple[str, str]]] = {
    "urgency": [(_OVER, "ASC"), (_RANK, "ASC"), ("opened_at", "DESC")],
    "incident": [],
    "opened_at": [("opened_at", "ASC")],
    "last_alert_at": [("last_alert_at", "ASC")],
    "severity": [(_RANK, "ASC")],
    "state": [(_STATE, "ASC")],
    "title": [("lower(title)", "ASC")],
    "service": [("service", "ASC")],
    "assignee": [("assignee", "ASC")],
}
SORTS = tuple(_SORTS)


@dataclass(frozen=True, slots=True)
class IncidentFilter:
    """What is wanted; empty or None leaves it open.

    `text` is part of a title, or a code; `mine` is a user to whom an incident is assigned or who has acknowledged it;
    `is_merged` None shows merged incidents too.
    """

    states: frozenset[IncidentState] = frozenset()
    severities: frozenset[Severity] = frozenset()
    category: str = ""
    service: str = ""
    assignee: str = ""
    mine: str = ""
    text: str = ""
    is_open: bool | None = None
    is_drill: bool | None = None
    is_merged: bool | None = None
    opened_from: datetime | None = None
    opened_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """An incident in a list. `firing` counts its alerts that fire; `next_due_at` is the nearest target that is not missed yet."""

    incident_id: int
    title: str
    summary: str
    severity: Severity
    category: str
    service: str
    state: IncidentState
    is_drill: bool
    labels: dict[str, str]
    root_alert_id: int | None
    onset_at: datetime
    opened_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    mitigated_at: datetime | None
    resolved_at: datetime | None
    closed_at: datetime | None
    reopened_count: int
    last_reopened_at: datetime | None
    snoozed_until: datetime | None
    assignee: str | None
    merged_into: int | None
    last_alert_at: datetime
    revision: int
    alerts: int
    firing: int
    next_due_at: datetime | None
    is_breached: bool

    @property
    def code(self) -> str:
        """The name that people use."""
        return incident_code(self.incident_id)

    @property
    def facts(self) -> IncidentFacts:
        """What decisions about it depend on."""
        return IncidentFacts(
            self.incident_id,
            self.state,
            self.severity,
            self.acknowledged_by,
            self.snoozed_until,
            self.merged_into,
            self.assignee,
        )

    @property
    def actions(self) -> list[Action]:
        """What is legal now; the role of who asks may still forbid it."""
        return list_actions(self.facts)


@dataclass(frozen=True, slots=True)
class IncidentPage:
    """One page, and how many match in all."""

    items: list[IncidentRow]
    total: int


@dataclass(frozen=True, slots=True)
class IncidentCounts:
    """Of what is not over and no drill: by severity (0 where there is none), and how many are how."""

    by_severity: dict[Severity, int]
    unacknowledged: int
    snoozed: int
    breached: int

    @property
    def open(self) -> int:
        """All of them."""
        return sum(self.by_severity.values())


def list_incidents(
    connection: Connection, wanted: IncidentFilter, *, sort: str = "urgency", limit: int = 100, offset: int = 0
) -> IncidentPage:
    """One page.

    Args:
        sort: one of `SORTS`, `-` in front reverses; the default shows first what is not over, then the most urgent, then the newest.

    Raises:
        InputDataError: an unknown sort.
    """
    where, values = _conditions(wanted)
    order = _order(sort)
    rows = connection.execute(
        text(
            f"WITH page AS (SELECT {_STORED} FROM incidents WHERE {where} ORDER BY {order} LIMIT :limit OFFSET :offset)"
            f" SELECT {_STORED}, {_COUNTED} FROM page AS i ORDER BY {order}"
        ),
        {**values, "limit": limit, "offset": offset},
    ).mappings()
    items = [as_row(row) for row in rows]
    total = connection.execute(text(f"SELECT count(*) FROM incidents WHERE {where}"), values).scalar_one()
    return IncidentPage(items, int(total))


def read_row(connection: Connection, incident_id: int) -> IncidentRow | None:
    """One incident as in a list; None where there is none of that number."""
    row = connection.execute(
        text(f"SELECT {_STORED}, {_COUNTED} FROM incidents AS i WHERE incident_id = :id"), {"id": incident_id}
    )
    found = row.mappings().one_or_none()
    return as_row(found) if found else None


def count_incidents(connection: Connection) -> IncidentCounts:
    """How many incidents are open, for whoever looks at the platform as a whole."""
    rows = connection.execute(
        text(
            "SELECT severity, count(*) AS open, count(*) FILTER (WHERE state = 'OPEN') AS unacknowledged,"
            " count(*) FILTER (WHERE snoozed_until IS NOT NULL) AS snoozed, count(*) FILTER (WHERE EXISTS (SELECT 1 FROM sla_clocks AS c"
            " WHERE c.incident_id = i.incident_id AND c.breached_at IS NOT NULL)) AS breached FROM incidents AS i"
            " WHERE state NOT IN ('RESOLVED', 'CLOSED') AND NOT is_drill GROUP BY severity"
        )
    ).all()
    known = {Severity(row.severity): row.open for row in rows}
    return IncidentCounts(
        by_severity={one: known.get(one, 0) for one in Severity},
        unacknowledged=sum(row.unacknowledged for row in rows),
        snoozed=sum(row.snoozed for row in rows),
        breached=sum(row.breached for row in rows),
    )


def as_row(row: Any) -> IncidentRow:
    """A mapping with every column."""
    return IncidentRow(**{**row, "severity": Severity(row["severity"]), "state": IncidentState(row["state"])})


def _conditions(wanted: IncidentFilter) -> tuple[str, dict[str, Any]]:
    clauses = {
        "state = ANY(:states)": [one.value for one in wanted.states] or None,
        "severity = ANY(:severities)": [one.value for one in wanted.severities] or None,
        "category = :category": wanted.category or None,
        "service = :service": wanted.service or None,
        "assignee = :assignee": wanted.assignee or None,
        "(assignee = :mine OR acknowledged_by = :mine)": wanted.mine or None,
        "(position(lower(:text) in lower(title)) > 0 OR incident_id = :named)": wanted.text or None,
        f"({_OVER}) <> :is_open": wanted.is_open,
        "is_drill = :is_drill": wanted.is_drill,
        "(merged_into IS NOT NULL) = :is_merged": wanted.is_merged,
        "opened_at >= :opened_from": wanted.opened_from,
        "opened_at < :opened_until": wanted.opened_until,
    }
    used = {clause: value for clause, value in clauses.items() if value is not None}
    names = ("states", "severities", "category", "service", "assignee", "mine", "text", "is_open", "is_drill", "is_merged",
             "opened_from", "opened_until")  # fmt: skip
    values = {name: value for name, value in zip(names, clauses.values(), strict=True) if value is not None}
    return " AND ".join(used) or "true", {**values, "named": find_number(wanted.text) or 0}


def _order(sort: str) -> str:
    name = sort.removeprefix("-")
    if name not in _SORTS:
        raise InputDataError(
            f"sort: {sort!r} is unknown", suggestion=f"sort by one of {', '.join(SORTS)}, `-` reverses"
        )
    is_reversed = sort.startswith("-")
    turned = {"ASC": "DESC", "DESC": "ASC"}
    columns = [(column, turned[way] if is_reversed else way) for column, way in _SORTS[name]]
    last = "DESC" if (name != "incident") != is_reversed else "ASC"
    return ", ".join(f"{column} {way} NULLS LAST" for column, way in [*columns, ("incident_id", last)])
