"""What everybody outside sees of an incident: messages, tickets, pages and the API are written from this one view."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.vocabulary import Severity


class IncidentState(StrEnum):
    """Where an incident stands. Reopening is a transition (to OPEN, counted), snoozing and merging are facts beside the state."""

    OPEN = "OPEN"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    INVESTIGATING = "INVESTIGATING"
    REMEDIATING = "REMEDIATING"
    MONITORING = "MONITORING"
    RESOLVED = "RESOLVED"
    CLOSED = "CLOSED"


def incident_code(incident_id: int) -> str:
    """The name that people use: INC-12345."""
    return f"INC-{incident_id}"


@dataclass(frozen=True, slots=True)
class IncidentView:
    """An incident at one moment."""

    incident_id: int
    title: str
    summary: str
    severity: Severity
    category: str
    service: str
    state: IncidentState
    is_drill: bool
    onset_at: datetime
    opened_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    resolved_at: datetime | None
    assignee: str | None
    alerts: int
    revision: int

    @property
    def code(self) -> str:
        """The name that people use."""
        return incident_code(self.incident_id)
