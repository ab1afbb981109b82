"""Reading incidents: the view that everybody sees, and the facts that a decision needs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, text

from domain.errors import NotFoundError
from domain.incidents.lifecycle import IncidentFacts
from domain.incidents.view import IncidentState, IncidentView, incident_code
from domain.vocabulary import Severity

_COLUMNS = (
    "i.incident_id, i.title, i.summary, i.severity, i.category, i.service, i.state, i.is_drill, i.onset_at, i.opened_at,"
    " i.acknowledged_at, i.acknowledged_by, i.resolved_at, i.assignee, i.revision, i.snoozed_until, i.merged_into,"
    " (SELECT count(*) FROM alerts AS a WHERE a.incident_id = i.incident_id) AS alerts"
)


def read_view(connection: Connection, incident_id: int) -> IncidentView:
    """The incident as it stands.

    Raises:
        NotFoundError: there is none of that number.
    """
    return as_view(_row(connection, incident_id, lock=""))


def lock_facts(connection: Connection, incident_id: int) -> tuple[IncidentFacts, IncidentView]:
    """The incident, held until the transaction ends: whoever else acts on it waits.

    Raises:
        NotFoundError: there is none of that number.
    """
    row = _row(connection, incident_id, lock="FOR UPDATE OF i")
    facts = IncidentFacts(
        incident_id=row.incident_id,
        state=IncidentState(row.state),
        severity=Severity(row.severity),
        acknowledged_by=row.acknowledged_by,
        snoozed_until=row.snoozed_until,
        merged_into=row.merged_into,
        assignee=row.assignee,
    )
    return facts, as_view(row)


def hold_incidents(connection: Connection, incident_ids: Iterable[int]) -> None:
    """Several at once, always in the same order: two people who merge them crosswise wait instead of blocking each other."""
    connection.execute(
        text("SELECT 1 FROM incidents WHERE incident_id = ANY(:ids) ORDER BY incident_id FOR UPDATE"),
        {"ids": list(incident_ids)},
    ).all()


def as_view(row: Any) -> IncidentView:
    """One row with the columns of a view."""
    return IncidentView(
        incident_id=row.incident_id,
        title=row.title,
        summary=row.summary,
        severity=Severity(row.severity),
        category=row.category,
        service=row.service,
        state=IncidentState(row.state),
        is_drill=row.is_drill,
        onset_at=row.onset_at,
        opened_at=row.opened_at,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by,
        resolved_at=row.resolved_at,
        assignee=row.assignee,
        alerts=row.alerts,
        revision=row.revision,
    )


def _row(connection: Connection, incident_id: int, *, lock: str) -> Any:
    row = connection.execute(
        text(f"SELECT {_COLUMNS} FROM incidents AS i WHERE i.incident_id = :id {lock}"), {"id": incident_id}
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no {incident_code(incident_id)}", suggestion="`etlmon incident list` shows all")
    return row
