"""`rules/tickets.yaml`: the shipped one is whole; what is wrong in one is said with its field."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.errors import RuleFileError
from domain.incidents.view import IncidentState
from domain.tickets.rules import TicketRules
from domain.vocabulary import Severity
from resources.rule_files import load_rule_file, shipped_rules

pytestmark = pytest.mark.requirement("H1")
SHIPPED = shipped_rules() / "tickets.yaml"


def test_the_shipped_rules_cover_every_state_and_the_urgent_severities() -> None:
    rules = load_rule_file(SHIPPED, TicketRules)
    assert {one for one in Severity if rules.has_ticket(one)} == {Severity.CRITICAL, Severity.HIGH}
    assert set(rules.transitions) == set(IncidentState)
    assert all(rules.priority_of(one) for one in Severity)
    assert rules.marker_of("INC-12") == "etlmon-INC-12"


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("project: ETLOPS", "project: etl ops", "project"),
        ("labels: [auto-detected]", "labels: [auto detected]", "labels"),
        ("marker: etlmon", "marker: 'a\" OR project = X'", "marker"),
        ("fields: {}", "fields: {customfield_1: {value: the-moon}}", "fields"),
        ("  To Do: reopen", "  To Do: explode", "statuses"),
        ("poll_every_s: 60", "poll_evry_s: 60", "poll_evry_s"),
    ],
)
def test_a_wrong_value_is_refused_with_its_field(tmp_path: Path, old: str, new: str, field: str) -> None:
    path = tmp_path / "tickets.yaml"
    text = SHIPPED.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(RuleFileError) as caught:
        load_rule_file(path, TicketRules)
    assert field in str(caught.value.context["field"])
