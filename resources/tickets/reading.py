"""What a ticket is written from: the incident, its alerts with the root first, its timeline, and lists of tickets for people."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text

from domain.errors import NotFoundError
from domain.incidents.view import IncidentView, incident_code
from domain.tickets.writing import AlertLine, Context, Event

_ALERTS = text(
    "SELECT a.title, a.summary, a.severity, a.fired_at, a.annotations ->> 'runbook' AS runbook FROM alerts AS a JOIN incidents AS i"
    " ON i.incident_id = a.incident_id WHERE a.incident_id = :id ORDER BY (a.alert_id = i.root_alert_id) DESC NULLS LAST,"
    " array_position(ARRAY['CRITICAL', 'HIGH', 'MEDIUM', 'LOW'], a.severity), a.onset_at, a.alert_id LIMIT 200"
)
_EVENTS = text(
    "SELECT event_id, at, actor, kind, cause, detail FROM incident_events WHERE incident_id = :id AND event_id > :after"
    " AND kind = ANY(:kinds) AND cause <> :own ORDER BY event_id LIMIT :limit"
)
_LIST = (
    "SELECT t.*, i.title, i.severity, i.state FROM tickets AS t JOIN incidents AS i USING (incident_id)"
    " WHERE (NOT :failing OR t.last_error IS NOT NULL) AND (CAST(:only AS bigint) IS NULL OR t.incident_id = :only)"
    " ORDER BY t.incident_id DESC LIMIT :limit"
)


def read_context(connection: Connection, view: IncidentView, *, base_url: str) -> Context:
    """Everything a ticket says beside the view."""
    alerts = connection.execute(_ALERTS, {"id": view.incident_id}).all()
    first = connection.execute(
        text("SELECT correlation_id FROM incident_events WHERE incident_id = :id ORDER BY event_id LIMIT 1"),
        {"id": view.incident_id},
    ).scalar_one_or_none()
    lines = [AlertLine(one.title, one.summary, one.severity, one.fired_at, one.runbook or "") for one in alerts]
    return Context(f"{base_url.rstrip('/')}/incidents/{view.code}", lines, first or "")


def read_events(
    connection: Connection, incident_id: int, *, after: int, kinds: list[str], own_cause: str, limit: int
) -> list[Event]:
    """The entries of the timeline that are to be told and did not come from the desk itself, oldest first."""
    rows = connection.execute(
        _EVENTS, {"id": incident_id, "after": after, "kinds": kinds, "own": own_cause, "limit": limit}
    ).all()
    return [Event(one.event_id, one.at, one.actor, one.kind, one.cause, one.detail) for one in rows]


def list_tickets(
    connection: Connection, *, is_failing: bool = False, incident_id: int | None = None, limit: int = 100
) -> list[Any]:
    """Rows with title, severity and state of their incidents, newest first."""
    values = {"failing": is_failing, "only": incident_id, "limit": limit}
    return list(connection.execute(text(_LIST), values).all())


def read_ticket(connection: Connection, incident_id: int) -> Any:
    """One of them.

    Raises:
        NotFoundError: the incident has no ticket.
    """
    found = list_tickets(connection, incident_id=incident_id, limit=1)
    if not found:
        raise NotFoundError(
            f"{incident_code(incident_id)} has no ticket", suggestion="`etlmon ticket sync INC-…` asks for one"
        )
    return found[0]
