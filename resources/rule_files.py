"""Reading YAML rule files into frozen models; every error names file, line, field and what to write instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from domain.errors import RuleFileError
from domain.field_problems import list_problems

M = TypeVar("M", bound=BaseModel)


def shipped_rules() -> Path:
    """The rules that come with the product: beside the packages in a checkout."""
    return Path(__file__).parent.parent / "rules"


def load_rule_file(path: Path, model: type[M]) -> M:
    """Parse one YAML file.

    Raises:
        RuleFileError: unreadable, not YAML, or not of the model; context has file, line and field.
    """
    node, raw = parse_mapping(read_rule_text(path), path)
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise _describe(path, node, error) from None


def read_rule_text(path: Path) -> str:
    """The text of a file.

    Raises:
        RuleFileError: unreadable, or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise RuleFileError(
            f"{path}: {error.strerror}", suggestion="check path and permissions", file=str(path)
        ) from None
    except UnicodeDecodeError as error:
        raise RuleFileError(
            f"{path}: not UTF-8 at byte {error.start}", suggestion="save the file as UTF-8", file=str(path)
        ) from None


def parse_mapping(text: str, path: Path) -> tuple[yaml.Node | None, dict[str, Any]]:
    """The YAML node and the mapping of fields that a text is. `path` only names it in errors.

    Raises:
        RuleFileError: not YAML, not a mapping, or a field written twice.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        is_open = getattr(error, "context", "") == "while scanning a quoted scalar"  # the end of the file helps nobody
        mark = getattr(error, "context_mark" if is_open else "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise RuleFileError(
            f"{path}:{line}: not YAML: {getattr(error, 'problem', error)}",
            suggestion="check indentation, quotes and colons near that line",
            file=str(path),
            line=line,
            field="",
        ) from None
    except ValueError as error:  # a date or number that YAML recognises and cannot build
        raise RuleFileError(
            f"{path}: a value cannot be read: {error}",
            suggestion="put quotes around dates and numbers that are texts",
            file=str(path),
            line=1,
            field="",
        ) from None
    if (twice := _find_duplicate(node)) is not None:
        name, line = twice
        raise RuleFileError(
            f"{path}:{line}: field {name}: written a second time in the same mapping",
            suggestion="keep one of the two",
            file=str(path),
            line=line,
            field=name,
        )
    if not isinstance(raw, dict):
        raise RuleFileError(
            f"{path}:1: a mapping of fields is expected",
            suggestion="start the file with `code: …`",
            file=str(path),
            line=1,
            field="",
        )
    return node, raw


def _describe(path: Path, node: yaml.Node | None, error: ValidationError) -> RuleFileError:
    first = list_problems(error)[0]
    line = _line_of(node, first.location)
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    where = f"field {first.field}: " if first.field else ""
    return RuleFileError(
        f"{path}:{line}: {where}{first.message}{more}",
        suggestion=first.suggestion,
        file=str(path),
        line=line,
        field=first.field,
    )


def _find_duplicate(node: yaml.Node | None) -> tuple[str, int] | None:
    """A key that a mapping has twice, with its line; YAML itself would silently keep the last."""
    waiting, seen = [node], set()
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, yaml.SequenceNode):
            waiting.extend(one.value)
        elif isinstance(one, yaml.MappingNode):
            names: set[str] = set()
            for key, value in one.value:
                if isinstance(key, yaml.ScalarNode) and key.value in names:
                    return key.value, key.start_mark.line + 1
                names.add(str(key.value))
                waiting.append(value)
    return None


def _line_of(node: yaml.Node | None, location: tuple[int | str, ...]) -> int:
    """The line of the deepest part of the location that exists in the file, counted from 1."""
    line = 1
    for part in location:
        found: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    line, found = key.start_mark.line + 1, value
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            found = node.value[part]
            line = found.start_mark.line + 1
        if found is None:
            break
        node = found
    return line


def load_rule_folder(folder: Path, model: type[M]) -> dict[Path, M | RuleFileError]:
    """Every `*.yaml` of a folder, in name order; a broken file is its error, the others still load."""
    found: dict[Path, M | RuleFileError] = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            found[path] = load_rule_file(path, model)
        except RuleFileError as error:
            found[path] = error
    return found
