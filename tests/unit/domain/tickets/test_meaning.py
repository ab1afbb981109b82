"""What a person does to a ticket, as actions on its incident; our own changes never come back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.incidents.lifecycle import Action, IncidentFacts, Request
from domain.incidents.view import IncidentState
from domain.tickets.meaning import Reader, Seen
from domain.tickets.rules import TicketRules
from domain.tickets.ticket import Change, News, Person, Remark, Ticket
from domain.vocabulary import Severity
from resources.rule_files import load_rule_file, shipped_rules

pytestmark = pytest.mark.requirement("H1")
NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
RULES = load_rule_file(shipped_rules() / "tickets.yaml", TicketRules)
ANN, US = Person("557058:ann", "Ann Smith"), Person("557058:us", "etlmon")
READER = Reader(RULES, US.account, NOW)
TICKET = Ticket("ETLOPS-1", "10001", "To Do", "High", None, (), "2026-03-10T12:00:00.000+0000")


def facts(state: IncidentState = IncidentState.OPEN, assignee: str | None = None) -> IncidentFacts:
    return IncidentFacts(12, state, Severity.HIGH, assignee=assignee)


def moved(status: str, *, by: Person = ANN, then: Person | None = None) -> News:
    changes = [Change(one, "status", "", status) for one in (by, then) if one]
    return News(replace(TICKET, status=status), tuple(changes), (), len(changes))


def actions(
    news: News, state: IncidentState = IncidentState.OPEN, *, known: str = "To Do", told: IncidentState | None = None
) -> list[Action]:
    return [one.action for one in READER.decide_actions(news, Seen(known, 0, told or state), facts(state))]


@pytest.mark.requirement("E2")
@pytest.mark.parametrize(
    ("status", "state", "expected"),
    [
        ("In Progress", IncidentState.OPEN, [Action.ACKNOWLEDGE]),
        ("in progress", IncidentState.OPEN, [Action.ACKNOWLEDGE]),
        ("Done", IncidentState.INVESTIGATING, [Action.RESOLVE]),
        ("Done", IncidentState.CLOSED, []),
        ("In Progress", IncidentState.RESOLVED, [Action.REOPEN, Action.ACKNOWLEDGE]),
        ("Open", IncidentState.CLOSED, [Action.REOPEN]),
        ("Open", IncidentState.ACKNOWLEDGED, []),
        ("Waiting for coffee", IncidentState.OPEN, []),
    ],
)
def test_a_status_means_what_the_rules_say(status: str, state: IncidentState, expected: list[Action]) -> None:
    assert actions(moved(status), state) == expected


def test_who_did_it_and_why_is_told() -> None:
    (request,) = READER.decide_actions(moved("In Progress"), Seen("To Do", 0), facts())
    assert request == Request(Action.ACKNOWLEDGE, "jira:Ann Smith", "jira", NOW, reason="ETLOPS-1 is In Progress")
    known = Reader(RULES.model_copy(update={"people": {ANN.account: "ann"}}), US.account, NOW)
    assert known.decide_actions(moved("In Progress"), Seen("To Do", 0), facts())[0].actor == "ann"


def test_our_own_changes_and_what_is_known_already_mean_nothing() -> None:
    assert actions(moved("In Progress", by=US)) == []
    assert actions(moved("In Progress", by=ANN, then=US)) == []
    assert actions(moved("In Progress"), known="In Progress") == []
    assert actions(moved("In Progress", by=US, then=ANN)) == [Action.ACKNOWLEDGE]


def test_who_did_not_know_that_it_is_over_reopens_nothing() -> None:
    for status in ("In Progress", "Open"):
        assert actions(moved(status), IncidentState.RESOLVED, told=IncidentState.ACKNOWLEDGED) == []
        assert actions(moved(status), IncidentState.RESOLVED)[0] is Action.REOPEN


def test_assignees_and_comments() -> None:
    news = News(
        TICKET,
        (Change(ANN, "assignee", "557058:bob", "Bob"),),
        (
            Remark(5, ANN, "seen before"),
            Remark(6, US, "our own"),
            Remark(7, ANN, "the pool is small"),
            Remark(8, ANN, ""),
        ),
        1,
    )
    found = READER.decide_actions(news, Seen("To Do", 5), facts())
    assert [(one.action, one.assignee, one.reason) for one in found] == [
        (Action.ASSIGN, "jira:Bob", ""),
        (Action.COMMENT, None, "the pool is small"),
    ]
    assert READER.decide_actions(news, Seen("To Do", 9), facts(assignee="jira:Bob")) == []
    nobody = replace(news, changes=(Change(ANN, "assignee", "", ""),), remarks=())
    assert READER.decide_actions(nobody, Seen("To Do", 0), facts(assignee="ann"))[0].assignee is None
    assert READER.decide_actions(nobody, Seen("To Do", 0), facts(IncidentState.CLOSED, "ann")) == []


@given(st.lists(st.sampled_from(["status", "assignee", "priority"]), max_size=8), st.sampled_from(IncidentState))
def test_whatever_we_write_ourselves_never_comes_back(fields: list[str], state: IncidentState) -> None:
    changes = tuple(Change(US, what, "x", "Done") for what in fields)
    news = News(replace(TICKET, status="Done"), changes, (Remark(3, US, "etlmon INC-12 #4"),), len(changes))
    assert READER.decide_actions(news, Seen("To Do", 0), facts(state)) == []
