"""The editor of a definition: main fields and the whole as YAML in one form, merged by what was changed where. Pure.

A field that was changed in the form wins over the YAML that was not; changed in both, differently, it is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from api.pages.definition_text import DefinitionText, read_definition
from domain.errors import EtlmonError, InputDataError
from domain.loaders.definition import LoaderDefinition

#: Fields with an input of their own, in the order of the form.
MAIN = (
    "title",
    "owner",
    "schedule",
    "step_s",
    "expected_latency_s",
    "late_lookback_s",
    "timeout_s",
    "max_series",
    "description",
)
_DEFAULTS = {
    name: "" if info.is_required() else info.default
    for name, info in LoaderDefinition.model_fields.items()
    if name in MAIN
}


@dataclass
class Editor:
    """What the form shows. `was` holds the main fields as they were when the reader began, across any number of tries."""

    text: str
    fields: dict[str, str]
    was: dict[str, str]
    errors: dict[str, str] = field(default_factory=dict)
    problems: list[tuple[str, str, str, int]] = field(default_factory=list)
    failure: EtlmonError | None = None

    @property
    def is_faulty(self) -> bool:
        """Whether anything has to be corrected."""
        return bool(self.errors or self.problems or self.failure)


def begin_edit(document: Mapping[str, Any], text: str) -> Editor:
    """The form of a document as its reader sees it."""
    shown = _fields_of(document)
    return Editor(text=text, fields=shown, was=dict(shown))


def resume_edit(given: Mapping[str, str]) -> Editor:
    """The form as it was sent: nothing typed is lost."""
    return Editor(
        text=given.get("definition", ""),
        fields={name: given.get(name, "") for name in MAIN},
        was={name: given.get(f"was_{name}", "") for name in MAIN},
    )


def merge_edit(editor: Editor) -> DefinitionText:
    """The document that the form means.

    Raises:
        InputDataError: the YAML is not readable, or a field was changed in both places; the editor has the errors then.
    """
    parsed = read_definition(editor.text)
    in_text = _fields_of(parsed.document)
    for name in MAIN:
        typed, was = editor.fields[name].strip(), editor.was[name]
        if typed == was:
            continue
        if in_text[name] not in (was, typed):
            editor.errors[name] = (
                f"changed here and, to {in_text[name]!r}, in the full definition: change it in one place"
            )
        elif typed:
            parsed.document[name] = typed
        else:
            parsed.document.pop(name, None)
    if editor.errors:
        raise InputDataError("a field was changed in two places", suggestion="change it in one of them")
    return parsed


def explain_refusal(editor: Editor, error: EtlmonError, parsed: DefinitionText | None) -> Editor:
    """Put what was refused beside the fields it is about; the rest is listed with its line of the YAML."""
    if editor.errors:
        return editor
    for name, message, suggestion in error.context.get("fields", []):
        if name in MAIN:
            editor.errors[name] = f"{message}; {suggestion}" if suggestion != message else message
        else:
            line = parsed.line_of(name) if parsed else 1
            editor.problems.append((name, message, "" if suggestion == message else suggestion, line))
    if not editor.errors and not editor.problems:
        editor.failure = error
    return editor


def _fields_of(document: Mapping[str, Any]) -> dict[str, str]:
    return {name: _as_text(document.get(name, _DEFAULTS[name])) for name in MAIN}


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip().replace("\r\n", "\n")
