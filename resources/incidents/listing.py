"""Incidents as lists: one query with filters, and how many wait for whom. One incident with all that belongs to it: `reading`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from domain.incidents.lifecycle import Action, IncidentFacts, list_actions
from domain.incidents.view import IncidentState, incident_code
from domain.vocabulary import Severity
from resources.incidents.filtering import IncidentFilter, conditions_of, order_of

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
        sort: one of `filtering.SORTS`, `-` in front reverses; the default: not over, then most urgent, then newest first.

    Raises:
        InputDataError: an unknown sort.
    """
    where, values = conditions_of(wanted)
    order = order_of(sort)
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
