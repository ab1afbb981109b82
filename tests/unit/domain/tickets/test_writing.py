"""Tickets and comments as documents that Jira takes, whatever an alert is called; texts of others as plain text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.incidents.view import IncidentState, IncidentView
from domain.tickets.document import document, paragraph, plain_text, words
from domain.tickets.rules import OwnField, TicketRules
from domain.tickets.writing import AlertLine, Context, Event, compose_comment, compose_draft
from domain.vocabulary import Severity
from resources.rule_files import load_rule_file, shipped_rules
from resources.simulator.jira_checks import is_document

pytestmark = pytest.mark.requirement("H1")
AT = datetime(2026, 1, 3, 14, 23, tzinfo=UTC)
RULES = load_rule_file(shipped_rules() / "tickets.yaml", TicketRules)


def view(**changes: Any) -> IncidentView:
    known: dict[str, Any] = {
        "incident_id": 12,
        "title": "Pool empty",
        "summary": "Loads wait",
        "severity": Severity.CRITICAL,
        "category": "infrastructure",
        "service": "loader",
        "state": IncidentState.OPEN,
        "is_drill": False,
        "onset_at": AT,
        "opened_at": AT,
        "acknowledged_at": None,
        "acknowledged_by": None,
        "resolved_at": None,
        "assignee": None,
        "alerts": 1,
        "revision": 1,
    }
    return IncidentView(**{**known, **changes})


def context(*titles: str, **fields: Any) -> Context:
    alerts = [AlertLine(title, "over the limit", "HIGH", AT, "runbooks/pool-saturated.md") for title in titles]
    return Context("https://etlmon.example/incidents/INC-12", alerts, **fields)


def test_a_ticket_says_what_since_when_where_and_how_urgent() -> None:
    draft = compose_draft(view(), context("the root", "a symptom", rca="The pool leaks"), RULES, priority="Highest")
    assert draft.summary == "[CRITICAL] INC-12 Pool empty"
    assert draft.labels == ("etlmon", "etlmon-INC-12", "auto-detected", "infrastructure")
    assert draft.priority == "Highest"
    said = plain_text(draft.description)
    for part in (
        "Loads wait",
        "Service: loader",
        "Since: 2026-01-03 14:23 UTC",
        "Runbook: runbooks/pool-saturated.md",
        "The pool leaks",
    ):
        assert part in said
    assert said.index("the root") < said.index("a symptom")
    links = orjson.dumps(draft.description).decode()
    assert '"href":"https://etlmon.example/incidents/INC-12#signal"' in links


def test_a_drill_says_so() -> None:
    draft = compose_draft(view(is_drill=True), context(), RULES, priority=None)
    assert draft.summary.startswith("[DRILL] [CRITICAL]")
    assert "drill" in draft.labels
    assert plain_text(draft.description).startswith("This is a drill.")


def test_fields_of_their_own_have_the_shape_of_their_type() -> None:
    own = {
        "customfield_1": OwnField(value="service"),
        "customfield_2": OwnField(value="severity", type="option"),
        "customfield_3": OwnField(value="onset_at", type="date-time"),
        "customfield_4": OwnField(value="category", type="labels"),
        "customfield_5": OwnField(value="rca_template"),
    }
    rules = RULES.model_copy(update={"fields": own})
    assert compose_draft(view(), context(), rules, priority=None).fields == {
        "customfield_1": "loader",
        "customfield_2": {"value": "CRITICAL"},
        "customfield_3": "2026-01-03T14:23:00.000+0000",
        "customfield_4": ["infrastructure"],
        "customfield_5": None,
    }


@given(st.text(max_size=400), st.lists(st.text(max_size=300), max_size=60))
def test_whatever_an_alert_is_called_jira_takes_it(title: str, alerts: list[str]) -> None:
    draft = compose_draft(view(title=title, summary=title, category=title), context(*alerts), RULES, priority=None)
    assert is_document(draft.description)
    assert len(orjson.dumps(draft.description)) < 32_767
    assert len(draft.summary) <= 255
    assert "\n" not in draft.summary
    assert not any(one.isspace() for label in draft.labels for one in label)


def test_a_comment_tells_who_did_what_and_carries_its_mark() -> None:
    event = Event(77, AT, "ann", "acknowledge", "ivr", {})
    assert plain_text(compose_comment(event, code="INC-12")) == "Acknowledged by ann via ivr.\netlmon INC-12 #77"
    said = [
        plain_text(compose_comment(Event(1, AT, "ann", kind, "api", detail), code="INC-1")).splitlines()[0]
        for kind, detail in [
            ("set-severity", {"severity": "HIGH", "reason": "it spreads"}),
            ("merge", {"into": "INC-9"}),
            ("comment", {"reason": "look at the pool"}),
            ("assign", {"assignee": "bob"}),
        ]
    ]
    assert said == [
        "Severity is HIGH now, by ann. it spreads",
        "Merged into INC-9 by ann: it goes on there.",
        "ann: look at the pool",
        "Assigned to bob by ann.",
    ]


def test_texts_of_others_become_plain_lines() -> None:
    mention = {"type": "mention", "attrs": {"id": "1", "text": "@Bob"}}
    code = {"type": "codeBlock", "content": [{"type": "text", "text": "SELECT 1"}]}
    body = document([paragraph(words("Please look, "), mention), code])
    assert plain_text(body) == "Please look, @Bob\nSELECT 1"
    assert plain_text("plain\x00 words\r\nof a webhook") == "plain words\nof a webhook"
    for odd in (None, 7, {"type": "doc", "content": "x"}, {"content": [None, {"type": "text"}]}):
        assert plain_text(odd) == ""


def test_nesting_without_end_is_cut() -> None:
    node: dict[str, Any] = {"type": "text", "text": "deep"}
    for _ in range(5_000):
        node = {"type": "blockquote", "content": [node]}
    assert plain_text(node) == ""
