"""The way from a ticket's status to the state of its incident: by name of the transition or of the status, or by a detour."""

from __future__ import annotations

import pytest

from domain.incidents.view import IncidentState
from domain.notification.message import DeliveryRefusedError
from domain.tickets.rules import TicketRules
from domain.tickets.ticket import Ticket, Transition
from domain.tickets.workflow import decide_step
from resources.rule_files import load_rule_file, shipped_rules

pytestmark = pytest.mark.requirement("H1")
RULES = load_rule_file(shipped_rules() / "tickets.yaml", TicketRules)
START, FINISH = Transition("21", "Begin work", "In Progress"), Transition("31", "Finish", "DONE")


def ticket(status: str) -> Ticket:
    return Ticket("ETLOPS-1", "1", status, None, None, (), "")


def test_a_transition_is_known_by_its_name_or_by_where_it_leads() -> None:
    step = decide_step(ticket("To Do"), [START, FINISH], IncidentState.RESOLVED, RULES)
    assert (step.way, step.is_there) == (FINISH, True)
    named = Transition("5", "resolve issue", "Finito")
    assert decide_step(ticket("To Do"), [named], IncidentState.RESOLVED, RULES).way is named


def test_work_in_progress_is_a_detour_but_never_a_loop() -> None:
    step = decide_step(ticket("To Do"), [START], IncidentState.CLOSED, RULES)
    assert (step.way, step.is_there) == (START, False)
    with pytest.raises(DeliveryRefusedError, match="stands for CLOSED; there are: Begin work"):
        decide_step(ticket("In Progress"), [START], IncidentState.CLOSED, RULES)


def test_what_cannot_be_done_is_said() -> None:
    with pytest.raises(DeliveryRefusedError, match="none that we may take"):
        decide_step(ticket("To Do"), [], IncidentState.RESOLVED, RULES)
    asking = Transition("31", "Done", "Done", missing=("Root cause",))
    with pytest.raises(DeliveryRefusedError, match="the transition Done of ETLOPS-1 asks for Root cause"):
        decide_step(ticket("To Do"), [asking], IncidentState.RESOLVED, RULES)
