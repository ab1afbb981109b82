"""The editor: YAML out and in, and the merge of form and YAML."""

from __future__ import annotations

import pytest

from api.pages.definition_form import begin_edit, explain_refusal, merge_edit, resume_edit
from api.pages.definition_text import read_definition, write_definition
from api.pages.new_loader import SKELETONS
from domain.errors import InputDataError
from domain.loaders.definition import LoaderDefinition, document_of
from domain.loaders.parsing import parse_definition

BODY = {
    "code": "ORDERS",
    "title": "Orders: per minute",
    "source": "sql",
    "connection": "warehouse",
    "schedule": "*/5 * * * *",
    "step_s": 60,
    "timeout_s": 12.5,
    "sql": [{"metric_name": "orders", "sql": "SELECT 1 AS value\nFROM orders -- ü\n", "limit": {"value": 10}}],
}
DEFINITION = LoaderDefinition.model_validate(BODY)
TEXT = write_definition(document_of(DEFINITION), DEFINITION)


def test_the_text_of_a_definition_means_the_definition_and_leaves_defaults_out() -> None:
    assert LoaderDefinition.model_validate(read_definition(TEXT).document) == DEFINITION
    assert "max_series" not in TEXT
    assert "SELECT 1 AS value\n" in TEXT.replace("      ", ""), "a query of several lines stays one"


@pytest.mark.parametrize("source", SKELETONS)
def test_every_skeleton_is_a_definition(source: str) -> None:
    assert parse_definition(read_definition(SKELETONS[source].text).document).source == source


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [1", "line 1: not YAML"),
        ("a: &x 1\nb: *x", "alias"),
        ("title: a\ntitle: b", "line 2: title is written a second time"),
        ("- a", "a mapping of fields"),
        ("", "a mapping of fields"),
        ("a: \x00", "not YAML"),
        ("a: " + "[" * 250_000, "nested deeper"),
        ("- " * 100_000, "nested deeper"),
        ("a: " + "{b: " * 50_000, "nested deeper"),
        ("a" * 300_001, "more than 300,000 characters"),
        ("a: 2026-02-31", "a value cannot be read"),
    ],
)
def test_what_is_no_definition_is_refused_with_its_line(text: str, reason: str) -> None:
    with pytest.raises(InputDataError, match=reason):
        read_definition(text)


def sent(**changes: str) -> dict[str, str]:
    """The form as a browser sends it."""
    editor = begin_edit(document_of(DEFINITION), TEXT)
    return {
        **editor.fields,
        **{f"was_{name}": value for name, value in editor.was.items()},
        "definition": TEXT,
        **changes,
    }


def test_a_field_changed_in_one_place_is_changed() -> None:
    assert merge_edit(resume_edit(sent())).document == read_definition(TEXT).document
    assert merge_edit(resume_edit(sent(title="Other"))).document["title"] == "Other"
    in_text = merge_edit(resume_edit(sent(definition=TEXT.replace("Orders: per minute", "In YAML"))))
    assert in_text.document["title"] == "In YAML"


def test_a_field_emptied_has_its_default_again() -> None:
    assert "timeout_s" not in merge_edit(resume_edit(sent(timeout_s=""))).document


def test_a_field_changed_differently_in_both_places_is_asked_about() -> None:
    editor = resume_edit(sent(title="Form", definition=TEXT.replace("Orders: per minute", "Text")))
    with pytest.raises(InputDataError):
        merge_edit(editor)
    assert "'Text'" in editor.errors["title"]
    same = resume_edit(sent(title="Same", definition=TEXT.replace("Orders: per minute", "Same")))
    assert merge_edit(same).document["title"] == "Same"


def test_refusals_stand_beside_their_field_or_with_their_line() -> None:
    editor = resume_edit(sent(schedule="often", definition=TEXT.replace("metric_name: orders", "metric_name: Or ders")))
    parsed = merge_edit(editor)
    with pytest.raises(InputDataError) as caught:
        parse_definition(parsed.document)
    explain_refusal(editor, caught.value, parsed)
    assert "often" in editor.errors["schedule"]
    (name, _, _, line), *_ = editor.problems
    assert name == "sql.0.metric_name"
    assert "metric_name" in TEXT.splitlines()[line - 1]
