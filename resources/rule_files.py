"""Reading YAML rule files into frozen models; every error names file, line, field and what to write instead."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from domain.errors import RuleFileError

M = TypeVar("M", bound=BaseModel)

_ADVICE = {
    "extra_forbidden": "remove the field, or correct its spelling",
    "missing": "add the field",
    "enum": "use one of the values named",
    "string_pattern_mismatch": "match the pattern named",
}


def shipped_rules() -> Path:
    """The rules that come with the product: beside the packages in a checkout."""
    return Path(__file__).parent.parent / "rules"


def load_rule_file(path: Path, model: type[M]) -> M:
    """Parse one YAML file.

    Raises:
        RuleFileError: unreadable, not YAML, or not of the model; context has file, line and field.
    """
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        raw = yaml.safe_load(text)
    except OSError as error:
        raise RuleFileError(
            f"{path}: {error.strerror}", suggestion="check path and permissions", file=str(path)
        ) from None
    except UnicodeDecodeError as error:
        raise RuleFileError(
            f"{path}: not UTF-8 at byte {error.start}", suggestion="save the file as UTF-8", file=str(path)
        ) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise RuleFileError(
            f"{path}:{line}: not YAML: {getattr(error, 'problem', error)}",
            suggestion="check indentation, quotes and colons near that line",
            file=str(path),
            line=line,
            field="",
        ) from None
    if not isinstance(raw, dict):
        raise RuleFileError(
            f"{path}:1: a mapping of fields is expected",
            suggestion="start the file with `code: …`",
            file=str(path),
            line=1,
            field="",
        )
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise _describe(path, node, error) from None


def _describe(path: Path, node: yaml.Node | None, error: ValidationError) -> RuleFileError:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    line = _line_of(node, first["loc"])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    message = first["msg"].removeprefix("Value error, ")
    suggestion = _ADVICE.get(first["type"], message)
    where = f"field {field}: " if field else ""
    return RuleFileError(
        f"{path}:{line}: {where}{message}{more}", suggestion=suggestion, file=str(path), line=line, field=field
    )


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
