"""Jira's JSON: what is documented is understood, what is odd becomes an empty value and never an exception."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.jira_answers import explain, parse_changes, parse_remarks, parse_ticket, parse_transition

pytestmark = pytest.mark.requirement("H1")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["fields", "items", "id", "author", "status", "name", "labels", "errors", "to", "body", "required"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


def test_a_history_tells_who_changed_what() -> None:
    entry = {
        "id": "10200",
        "author": {"accountId": "557058:a", "displayName": "Ann"},
        "created": "2026-03-10T13:05:59.123+0100",
        "items": [
            {"field": "status", "fieldId": "status", "from": "1", "fromString": "To Do", "to": "3", "toString": "Done"},
            {"field": "assignee", "from": "x", "to": None, "toString": None},
        ],
    }
    status, assignee = parse_changes([entry])
    assert (status.author.name, status.what, status.to) == ("Ann", "status", "Done")
    assert (assignee.what, assignee.to_id) == ("assignee", "")


def test_a_transition_tells_what_its_screen_asks_for() -> None:
    fields = {
        "resolution": {"required": True, "name": "Resolution"},
        "customfield_1": {"required": True, "name": "Root cause", "hasDefaultValue": False},
        "customfield_2": {"required": True, "name": "Team", "hasDefaultValue": True},
    }
    found = parse_transition({"id": "31", "name": "Finish", "to": {"name": "Done"}, "fields": fields})
    assert (found.has_resolution, found.missing, found.to_status) == (True, ("Root cause",), "Done")


def test_an_error_is_told_in_jiras_words() -> None:
    assert explain(b'{"errorMessages":["no"],"errors":{"summary":"is missing"}}') == "no; summary: is missing"
    assert explain(b"<html>Bad gateway") == "<html>Bad gateway"
    assert explain(b"") == explain(b"[]") == "no explanation"


@given(JSON)
def test_nothing_odd_raises(answer: Any) -> None:
    ticket = parse_ticket(answer)
    assert isinstance(ticket.fingerprint, str)
    items = answer if isinstance(answer, list) else [answer]
    assert isinstance(parse_changes(items), tuple)
    assert all(one.remark_id >= 0 for one in parse_remarks(items))
    assert isinstance(parse_transition(answer).name, str)
