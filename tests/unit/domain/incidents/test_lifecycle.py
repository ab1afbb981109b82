"""The state machine: every illegal edge is refused with what is possible instead; what is done already is told calmly (E1)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ConflictError, InputDataError
from domain.incidents.lifecycle import (
    LONGEST_SNOOZE,
    TRANSITIONS,
    Action,
    IncidentFacts,
    Request,
    check_not_over,
    decide_transition,
    list_actions,
)
from domain.incidents.view import IncidentState, find_number, incident_code, parse_incident
from domain.vocabulary import Severity

pytestmark = pytest.mark.requirement("E1")
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
FIELDS = {
    Action.SNOOZE: {"until": NOON + timedelta(hours=1)},
    Action.COMMENT: {"reason": "seen"},
    Action.SET_SEVERITY: {"severity": Severity.LOW},
    Action.ASSIGN: {"assignee": "ann"},
    Action.MERGE: {"into": 2},
}


def facts(state: IncidentState = IncidentState.OPEN, **changes: object) -> IncidentFacts:
    return IncidentFacts(1, state, Severity.HIGH, **changes)  # type: ignore[arg-type]


def ask(action: Action, **changes: object) -> Request:
    return Request(action, "ann", "api", NOON, **{**FIELDS.get(action, {}), **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(("state", "action"), list(product(IncidentState, Action)))
def test_every_edge_is_in_the_table_or_refused_with_what_is_possible(state: IncidentState, action: Action) -> None:
    here = facts(state)
    if state in TRANSITIONS[action]:
        assert decide_transition(here, ask(action)).after is TRANSITIONS[action][state]
        return
    with pytest.raises(ConflictError, match=f"INC-1 is {state.value}") as refused:
        decide_transition(here, ask(action))
    assert "comment" in refused.value.suggestion
    assert action not in list_actions(here)


@given(
    st.builds(
        facts,
        st.sampled_from(IncidentState),
        acknowledged_by=st.sampled_from([None, "ben"]),
        snoozed_until=st.sampled_from([None, NOON]),
        merged_into=st.sampled_from([None, None, 7]),
    ),
    st.sampled_from(Action),
)
def test_what_is_offered_would_change_something_and_the_rest_would_not(here: IncidentFacts, action: Action) -> None:
    try:
        is_change = decide_transition(here, ask(action)).is_change
    except ConflictError:
        is_change = False
    assert (action in list_actions(here)) == is_change


def test_acknowledging_again_says_who_has_it() -> None:
    again = decide_transition(facts(IncidentState.MONITORING, acknowledged_by="ben"), ask(Action.ACKNOWLEDGE))
    assert (again.is_change, again.after) == (False, IncidentState.MONITORING)
    assert again.note == "INC-1 is acknowledged already, by ben; it is MONITORING"
    late = decide_transition(facts(IncidentState.CLOSED, acknowledged_by="ben"), ask(Action.ACKNOWLEDGE))
    assert not late.is_change
    reopened = decide_transition(facts(IncidentState.OPEN, acknowledged_by="ben"), ask(Action.ACKNOWLEDGE))
    assert reopened.after is IncidentState.ACKNOWLEDGED


def test_what_was_merged_sends_on_and_takes_comments_only() -> None:
    gone = facts(IncidentState.CLOSED, merged_into=7)
    with pytest.raises(ConflictError, match="merged into INC-7") as refused:
        decide_transition(gone, ask(Action.REOPEN))
    assert refused.value.suggestion == "act on INC-7"
    assert list_actions(gone) == [Action.COMMENT]
    assert decide_transition(gone, ask(Action.COMMENT)).is_change


@pytest.mark.parametrize(
    ("action", "change"),
    [
        (Action.SNOOZE, {"until": None}),
        (Action.SNOOZE, {"until": NOON}),
        (Action.SNOOZE, {"until": NOON + LONGEST_SNOOZE + timedelta(seconds=1)}),
        (Action.COMMENT, {"reason": " \n"}),
        (Action.SET_SEVERITY, {"severity": None}),
        (Action.MERGE, {"into": None}),
        (Action.MERGE, {"into": 1}),
    ],
)
def test_what_an_action_lacks_is_named(action: Action, change: dict[str, object]) -> None:
    with pytest.raises(InputDataError, match="INC-1"):
        decide_transition(facts(), ask(action, **change))


def test_nothing_comes_to_or_leaves_what_is_over() -> None:
    check_not_over(facts(IncidentState.MONITORING), what="no")
    for over in (
        facts(IncidentState.RESOLVED),
        facts(IncidentState.CLOSED),
        facts(IncidentState.CLOSED, merged_into=3),
    ):
        with pytest.raises(ConflictError, match="it cannot be split"):
            check_not_over(over, what="it cannot be split")


def test_a_request_says_only_what_its_action_means() -> None:
    told = ask(Action.ACKNOWLEDGE, reason="mine", severity=Severity.LOW, assignee="ben", into=4, until=NOON)
    assert told.said == {"reason": "mine"}
    assert ask(Action.MERGE).said == {"into": "INC-2"}
    assert ask(Action.ASSIGN, assignee=None).said == {}


@given(st.integers(0, 10**18 - 1))
def test_a_code_is_read_as_it_is_written(number: int) -> None:
    assert parse_incident(incident_code(number)) == find_number(f" inc-{number} ") == find_number(str(number)) == number


@pytest.mark.parametrize("written", ["", "INC-", "-1", "INC--1", "1.5", "1" * 19, "INC-1x", "١", "INC 1", "INC-1\n2"])
def test_what_names_no_incident_is_refused(written: str) -> None:
    assert find_number(written) is None
    with pytest.raises(InputDataError, match="names no incident"):
        parse_incident(written)
