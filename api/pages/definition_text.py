"""A definition as YAML that people edit, and back: defaults left out, aliases and doubled keys refused, errors with lines. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from domain.errors import InputDataError
from domain.loaders.definition import LoaderDefinition

_LONGEST, _DEEPEST = 300_000, 64
_ALWAYS = ("code", "title", "owner", "source", "connection", "schedule", "step_s")


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, lists indented."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, False)


def _write_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text and not any(line.endswith(" ") for line in text.splitlines()) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _write_text)


def write_definition(shown: Mapping[str, Any], definition: LoaderDefinition) -> str:
    """YAML of a document as its reader may see it; fields at their default are left out, which means the same."""
    said = definition.model_dump(mode="json", exclude_defaults=True)
    return write_yaml(_trim(shown, said, always=_ALWAYS))


def write_yaml(document: Mapping[str, Any]) -> str:
    """YAML in the order of the document."""
    text: str = yaml.dump(dict(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text


def _trim(shown: Any, said: Any, *, always: tuple[str, ...] = ()) -> Any:
    if isinstance(shown, Mapping) and isinstance(said, Mapping):
        kept = [name for name in shown if name in said or name in always]
        return {name: _trim(shown[name], said.get(name)) for name in kept}
    if isinstance(shown, list) and isinstance(said, list) and len(shown) == len(said):
        return [_trim(one, other) for one, other in zip(shown, said, strict=True)]
    return int(shown) if isinstance(shown, float) and shown.is_integer() else shown


@dataclass(frozen=True, slots=True)
class DefinitionText:
    """What was typed, parsed; it knows where each field stands."""

    document: dict[str, Any]
    root: yaml.Node

    def line_of(self, field: str) -> int:
        """Line of the deepest part of a dotted path that is there, from 1."""
        node: yaml.Node | None = self.root
        line = 1
        for part in field.split("."):
            node, found = _step(node, part)
            if found is None:
                break
            line = found
        return line


def _step(node: yaml.Node | None, part: str) -> tuple[yaml.Node | None, int | None]:
    if isinstance(node, yaml.MappingNode):
        return next(((value, key.start_mark.line + 1) for key, value in node.value if key.value == part), (None, None))
    if isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
        found = node.value[int(part)]
        return found, found.start_mark.line + 1
    return None, None


def read_definition(text: str) -> DefinitionText:
    """Parse what was typed.

    Raises:
        InputDataError: no YAML, no mapping, an alias, a key twice; the reason has the line.
    """
    try:
        _refuse_strange_structure(text)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        raise InputDataError(
            f"{line}not YAML: {getattr(error, 'problem', None) or 'a character that YAML does not allow'}",
            suggestion="check indentation, quotes and colons near that line",
        ) from None
    except (ValueError, RecursionError) as error:
        raise InputDataError(
            f"a value cannot be read: {type(error).__name__}",
            suggestion="put quotes around dates and numbers that are texts",
        ) from None
    if not isinstance(document, dict) or root is None:
        raise InputDataError("a mapping of fields is expected", suggestion="begin with `code: …`")
    _refuse_doubled_keys(root)
    return DefinitionText(document, root)


def _refuse_strange_structure(text: str) -> None:
    """Before anything is built: aliases, and nesting that costs a parser more than any definition is worth."""
    if len(text) > _LONGEST:
        raise InputDataError(
            f"the definition has more than {_LONGEST:,} characters", suggestion="make two loaders of it"
        )
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise InputDataError("`*alias` is not supported", suggestion="write the value itself")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise InputDataError(f"it is nested deeper than {_DEEPEST} levels", suggestion="write it flatter")


def _refuse_doubled_keys(root: yaml.Node) -> None:
    """YAML itself would silently keep the last."""
    waiting: list[yaml.Node] = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)
        if not isinstance(node, yaml.MappingNode):
            continue
        names: set[str] = set()
        for key, value in node.value:
            if str(key.value) in names:
                raise InputDataError(
                    f"line {key.start_mark.line + 1}: {key.value} is written a second time",
                    suggestion="keep one of the two",
                )
            names.add(str(key.value))
            waiting.append(value)
