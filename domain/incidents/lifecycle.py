"""The state machine of incidents: one table of transitions, one function that decides. Nothing else may change a state (E1).

Acknowledging is a fact (who, when) that also moves an OPEN incident on; snoozing, assigning and merging are facts beside the
state. Reopening leads to OPEN and keeps every instant of the first round, so that no measure is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from domain.errors import ConflictError, InputDataError
from domain.incidents.view import IncidentState, incident_code
from domain.vocabulary import Severity


class Action(StrEnum):
    """What somebody, or the platform, does to an incident."""

    ACKNOWLEDGE = "acknowledge"
    INVESTIGATE = "investigate"
    REMEDIATE = "remediate"
    MONITOR = "monitor"
    RESOLVE = "resolve"
    CLOSE = "close"
    REOPEN = "reopen"
    SNOOZE = "snooze"
    WAKE = "wake"
    ASSIGN = "assign"
    COMMENT = "comment"
    SET_SEVERITY = "set-severity"
    MERGE = "merge"


#: What nobody wants to hear of for longer is to be closed.
LONGEST_SNOOZE = timedelta(days=365)

S = IncidentState
WORKING = (S.OPEN, S.ACKNOWLEDGED, S.INVESTIGATING, S.REMEDIATING, S.MONITORING)

#: Action → state before → state after. An action that is not listed for a state is illegal there.
TRANSITIONS: dict[Action, dict[IncidentState, IncidentState]] = {
    Action.ACKNOWLEDGE: {**{state: state for state in WORKING}, S.OPEN: S.ACKNOWLEDGED},
    Action.INVESTIGATE: dict.fromkeys((S.OPEN, S.ACKNOWLEDGED, S.REMEDIATING, S.MONITORING), S.INVESTIGATING),
    Action.REMEDIATE: dict.fromkeys((S.OPEN, S.ACKNOWLEDGED, S.INVESTIGATING, S.MONITORING), S.REMEDIATING),
    Action.MONITOR: dict.fromkeys((S.OPEN, S.ACKNOWLEDGED, S.INVESTIGATING, S.REMEDIATING), S.MONITORING),
    Action.RESOLVE: dict.fromkeys(WORKING, S.RESOLVED),
    Action.CLOSE: {S.RESOLVED: S.CLOSED},
    Action.REOPEN: dict.fromkeys((S.RESOLVED, S.CLOSED), S.OPEN),
    Action.SNOOZE: {state: state for state in WORKING},
    Action.WAKE: {state: state for state in WORKING},
    Action.ASSIGN: {state: state for state in WORKING},
    Action.COMMENT: {state: state for state in IncidentState},
    Action.SET_SEVERITY: {state: state for state in WORKING},
    Action.MERGE: dict.fromkeys(WORKING, S.CLOSED),
}


@dataclass(frozen=True, slots=True)
class IncidentFacts:
    """What a decision depends on."""

    incident_id: int
    state: IncidentState
    severity: Severity
    acknowledged_by: str | None = None
    snoozed_until: datetime | None = None
    merged_into: int | None = None
    assignee: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """Who wants what. Only the fields of the action count."""

    action: Action
    actor: str
    cause: str
    now: datetime
    reason: str = ""
    until: datetime | None = None
    assignee: str | None = None
    severity: Severity | None = None
    into: int | None = None

    @property
    def said(self) -> dict[str, Any]:
        """Reason and the fields of this action, as timeline and audit keep them; what is empty is left out."""
        found = {
            "reason": self.reason,
            "until": self.until if self.action is Action.SNOOZE else None,
            "assignee": self.assignee if self.action is Action.ASSIGN else None,
            "severity": self.severity.value if self.severity and self.action is Action.SET_SEVERITY else None,
            "into": incident_code(self.into) if self.into and self.action is Action.MERGE else None,
        }
        return {name: value for name, value in found.items() if value}


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows: the state after, and whether anything changes at all (`note` says why not)."""

    before: IncidentState
    after: IncidentState
    is_change: bool = True
    note: str = ""


def decide_transition(facts: IncidentFacts, request: Request) -> Decision:
    """Whether the action is legal now, and what it leads to.

    Doing again what is done already (acknowledging twice, waking what is awake) is no error and changes nothing.

    Raises:
        ConflictError: illegal in this state; the suggestion lists what is legal.
        InputDataError: a field that the action needs is missing or senseless.
    """
    code = incident_code(facts.incident_id)
    if facts.merged_into is not None and request.action is not Action.COMMENT:
        raise ConflictError(
            f"{code} was merged into {incident_code(facts.merged_into)}",
            suggestion=f"act on {incident_code(facts.merged_into)}",
        )
    _check_fields(code, facts, request)
    if request.action is Action.ACKNOWLEDGE and facts.acknowledged_by and facts.state is not S.OPEN:
        note = f"{code} is acknowledged already, by {facts.acknowledged_by}; it is {facts.state.value}"
        return Decision(facts.state, facts.state, is_change=False, note=note)
    targets = TRANSITIONS[request.action]
    if facts.state not in targets:
        legal = ", ".join(action.value for action, states in TRANSITIONS.items() if facts.state in states)
        raise ConflictError(
            f"{code} is {facts.state.value}: {request.action.value} is not possible",
            suggestion=f"possible now: {legal}",
        )
    if _is_nothing_new(facts, request):
        return Decision(facts.state, facts.state, is_change=False, note=f"{code} is like that already")
    return Decision(facts.state, targets[facts.state])


def list_actions(facts: IncidentFacts) -> list[Action]:
    """What is legal now and would change something, in the order of a life. A merged incident can only be commented on."""
    if facts.merged_into is not None:
        return [Action.COMMENT]
    is_taken = facts.acknowledged_by is not None and facts.state is not S.OPEN
    useless = {Action.ACKNOWLEDGE} if is_taken else set()
    if facts.snoozed_until is None:
        useless.add(Action.WAKE)
    return [action for action, states in TRANSITIONS.items() if facts.state in states and action not in useless]


def check_not_over(facts: IncidentFacts, *, what: str) -> None:
    """Whether alerts can still come to or leave this incident; `what` says what would not be possible else.

    Raises:
        ConflictError: it is over, or was merged.
    """
    code = incident_code(facts.incident_id)
    if facts.merged_into is not None:
        into = incident_code(facts.merged_into)
        raise ConflictError(f"{code} was merged into {into}: {what}", suggestion=f"act on {into}")
    if facts.state.is_over:
        raise ConflictError(f"{code} is {facts.state.value}: {what}", suggestion=f"reopen {code} first")


def _is_nothing_new(facts: IncidentFacts, request: Request) -> bool:
    return (
        (request.action is Action.WAKE and facts.snoozed_until is None)
        or (request.action is Action.ASSIGN and request.assignee == facts.assignee)
        or (request.action is Action.SET_SEVERITY and request.severity is facts.severity)
    )


def _check_fields(code: str, facts: IncidentFacts, request: Request) -> None:
    if request.action is Action.SNOOZE and (request.until is None or request.until <= request.now):
        raise InputDataError(f"snoozing {code} needs an instant in the future", suggestion="give `until`")
    if request.action is Action.SNOOZE and request.until and request.until > request.now + LONGEST_SNOOZE:
        raise InputDataError(f"{code} cannot be snoozed for over a year", suggestion="an earlier `until`, or close it")
    if request.action is Action.COMMENT and not request.reason.strip():
        raise InputDataError(f"a comment on {code} needs words", suggestion="write what others should know")
    if request.action is Action.SET_SEVERITY and request.severity is None:
        raise InputDataError(f"which severity shall {code} have?", suggestion="give CRITICAL, HIGH, MEDIUM or LOW")
    if request.action is Action.MERGE and request.into in (None, facts.incident_id):
        raise InputDataError(f"{code} can only be merged into another incident", suggestion="give `into`")
