"""`rules/tickets.yaml`: for which incidents there is a ticket, what it says, and which of its states stands for which of ours."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from domain.incidents.lifecycle import Action
from domain.incidents.view import IncidentState
from domain.loaders.definition import Frozen
from domain.vocabulary import Severity

Label = Annotated[str, Field(pattern=r"^[^\s,\"\\]{1,60}$")]
Shown = Annotated[str, Field(min_length=1, max_length=100)]
#: What may be written into a field of the ticket's own.
Source = Literal[
    "code", "service", "category", "severity", "onset_at", "opened_at", "incident_url", "correlation_id", "rca_template"
]
#: What a status over there may mean here.
Meaning = Literal[
    Action.ACKNOWLEDGE, Action.INVESTIGATE, Action.REMEDIATE, Action.MONITOR, Action.RESOLVE, Action.REOPEN
]


class OwnField(Frozen):
    """One custom field: which fact goes in, and of which type the field is over there."""

    value: Source
    type: Literal["text", "option", "labels", "date-time"] = "text"


class TicketRules(Frozen):
    """All of it. Names of priorities, transitions and statuses are compared without regard to case."""

    project: str = Field(pattern=r"^[A-Z][A-Z0-9_]{1,30}$")
    issue_type: Shown
    severities: list[Severity] = Field(min_length=1)
    priorities: dict[Severity, Shown]
    escalated_priority: Shown
    labels: list[Label] = Field(default_factory=list)
    marker: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$", description="every ticket has the label MARKER-INC-12")
    fields: dict[Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,60}$")], OwnField] = Field(default_factory=dict)
    transitions: dict[IncidentState, list[Shown]]
    resolution: Shown | None = None
    statuses: dict[Shown, Meaning]
    comments: list[Action]
    people: dict[Shown, Annotated[str, Field(pattern=r"^[a-z][a-z0-9._-]{0,62}$")]] = Field(default_factory=dict)
    poll_every_s: int = Field(default=60, ge=10, le=3600)
    poll_overlap_s: int = Field(default=180, ge=60, le=86_400)
    at_most: int = Field(default=50, ge=1, le=1_000, description="tickets that one run brings up to date")

    def marker_of(self, code: str) -> str:
        """The label by which the ticket of an incident is found again."""
        return f"{self.marker}-{code}"

    def has_ticket(self, severity: Severity) -> bool:
        """Whether an incident of this severity gets one without being asked."""
        return severity in self.severities

    def priority_of(self, severity: Severity) -> str | None:
        """The name over there; None leaves it to the project."""
        return self.priorities.get(severity)

    def meaning_of(self, status: str) -> Action | None:
        """What a status means here; None: nothing."""
        return next((one for name, one in self.statuses.items() if name.casefold() == status.casefold()), None)

    def stands_for(self, state: IncidentState, name: str) -> bool:
        """Whether a transition or status of that name is one of those for the state."""
        return name.casefold() in {one.casefold() for one in self.transitions.get(state, [])}
