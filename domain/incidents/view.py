"""What everybody outside sees of an incident: messages, tickets, pages and the API are written from this one view."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.errors import InputDataError
from domain.vocabulary import Severity

#: How people write an incident: INC-12, inc-12 or 12. JSON schema and Python read it alike.
WRITTEN_INCIDENT = r"^([Ii][Nn][Cc]-)?[0-9]{1,18}$"


class IncidentState(StrEnum):
    """Where an incident stands. Reopening is a transition (to OPEN, counted), snoozing and merging are facts beside the state."""

    OPEN = "OPEN"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    INVESTIGATING = "INVESTIGATING"
    REMEDIATING = "REMEDIATING"
    MONITORING = "MONITORING"
    RESOLVED = "RESOLVED"
    CLOSED = "CLOSED"

    @property
    def is_over(self) -> bool:
        """Nobody has to do anything any more."""
        return self in (IncidentState.RESOLVED, IncidentState.CLOSED)


def find_number(written: str) -> int | None:
    """12 of "INC-12", "inc-12" or "12"; None of anything else."""
    found = written.strip()
    return int(found.rpartition("-")[2]) if re.fullmatch(WRITTEN_INCIDENT, found) else None


def parse_incident(written: str) -> int:
    """As `find_number`.

    Raises:
        InputDataError: it names no incident.
    """
    number = find_number(written)
    if number is None:
        raise InputDataError(f"{written[:60]!r} names no incident", suggestion="write it like INC-12345")
    return number


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
