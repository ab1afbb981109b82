"""Which transition brings a ticket to a status that stands for a state of its incident."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.incidents.view import IncidentState
from domain.notification.message import DeliveryRefusedError
from domain.tickets.rules import TicketRules
from domain.tickets.ticket import Ticket, Transition


@dataclass(frozen=True, slots=True)
class Step:
    """A transition to take; afterwards the ticket `is_there`, or on its way."""

    way: Transition
    is_there: bool


def decide_step(ticket: Ticket, ways: Sequence[Transition], state: IncidentState, rules: TicketRules) -> Step:
    """The first transition that the rules name for the state; where none is open, work in progress on the way there.

    Raises:
        DeliveryRefusedError: there is no such transition, or it asks for fields that we do not know.
    """
    way = _choose(ways, rules.transitions.get(state, []))
    step = Step(way, is_there=True) if way else _detour(ticket, ways, rules)
    if step is None:
        known = ", ".join(sorted({one.name for one in ways})) or "none that we may take"
        raise DeliveryRefusedError(
            f"{ticket.key} is {ticket.status} and none of its transitions stands for {state.value}; there are: {known}",
            suggestion=f"add one of them to transitions.{state.value} in rules/tickets.yaml",
        )
    if step.way.missing:
        raise DeliveryRefusedError(
            f"the transition {step.way.name} of {ticket.key} asks for {', '.join(step.way.missing)}",
            suggestion="make these fields optional on the screen of the transition, or name another transition",
        )
    return step


def _detour(ticket: Ticket, ways: Sequence[Transition], rules: TicketRules) -> Step | None:
    middle = IncidentState.ACKNOWLEDGED
    if rules.stands_for(middle, ticket.status):
        return None
    way = _choose(ways, rules.transitions.get(middle, []))
    return Step(way, is_there=False) if way else None


def _choose(ways: Sequence[Transition], names: Sequence[str]) -> Transition | None:
    by_name: dict[str, Transition] = {}
    for way in ways:
        by_name.setdefault(way.name.casefold(), way)
        by_name.setdefault(way.to_status.casefold(), way)
    return next((by_name[name.casefold()] for name in names if name.casefold() in by_name), None)
