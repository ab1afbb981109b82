"""Writing timelines of incidents, which are only ever appended to. `reading` reads them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from domain.incidents.view import IncidentState
from resources.json_logs import current_correlation_id

_INSERT = text(
    "INSERT INTO incident_events (incident_id, at, actor, kind, cause, from_state, to_state, detail, correlation_id)"
    " VALUES (:id, :now, :actor, :kind, :cause, :from_state, :to_state, CAST(:detail AS jsonb), :correlation_id)"
)


def write_event(
    connection: Connection,
    incident_id: int,
    *,
    kind: str,
    actor: str,
    cause: str,
    now: datetime,
    from_state: IncidentState | None = None,
    to_state: IncidentState | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """One entry: who did what, through what, and where it led."""
    values = {
        "id": incident_id,
        "now": now,
        "actor": actor,
        "kind": kind,
        "cause": cause,
        "from_state": from_state.value if from_state else None,
        "to_state": to_state.value if to_state else None,
        "detail": json.dumps(detail or {}, default=str),
        "correlation_id": current_correlation_id(),
    }
    connection.execute(_INSERT, values)
