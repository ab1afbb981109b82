"""One cell of a loaders workbook: from a value to what the cell holds, and back with a reason for all that is no value (A8)."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Any, NoReturn, TypeAlias

from domain.access.field_protection import MASK
from domain.errors import InputDataError
from domain.loaders.workbook_layout import CellKind, Column


@dataclass(frozen=True, slots=True)
class Flaw:
    """Stands for a cell whose content is no value at all: a formula, an error."""

    reason: str
    suggestion: str


#: What a file holds in a cell.
Raw: TypeAlias = "str | int | float | bool | date | time | timedelta | Flaw | None"
#: Stands in a cell for a value that the role of the exporter does not see.
HIDDEN = "(hidden)"
#: Characters of one Excel cell, counted as UTF-16 units.
LONGEST_TEXT = 32_767
_JSON = "json:"
_NO_CHARACTERS = re.compile("[\ufffe\uffff\ud800-\udfff]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_PLAIN_LABEL = re.compile(r"[^\s,\[\]\"'*()](?:[^,]*[^\s,])?")
_BLANK = " \t\r\n\v\f\u00a0\u2007\u202f\u200b\ufeff"
_YES = {"true", "yes", "y", "on", "1", "wahr", "ja"}
_NO = {"false", "no", "n", "off", "0", "falsch", "nein"}


class CellError(InputDataError):
    """A cell does not hold what its column needs."""


def render_cell(column: Column, value: Any) -> str | int | float | bool | None:
    """What the cell holds; None leaves it empty, which reads back as the column's default.

    Raises:
        CellError: the text is longer than a cell can be.
    """
    if value is None or (value == column.default and value in ("", [], {})):
        return None
    if value == MASK:
        return MASK
    return _fit(_render(column, value))


def _render(column: Column, value: Any) -> str | int | float | bool:
    if column.kind is CellKind.LABELS:
        is_plain = bool(value) and all(map(_is_plain_label, value)) and not value[0].startswith(_JSON)
        return ", ".join(value) if is_plain else _as_json(value)
    if column.kind is CellKind.JSON:
        return _as_json(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return value if float(f"{value:.16G}") == value else repr(value)  # a workbook keeps 16 digits of a number
    text = str(value)
    bare = text.strip(_BLANK)
    is_special = bare in ("", MASK, HIDDEN) or text.startswith(_JSON) or not is_storable(text)
    return _JSON + _as_json(text) if is_special else text


def _is_plain_label(text: str) -> bool:
    return text == text.strip(_BLANK) and _PLAIN_LABEL.fullmatch(text) is not None and is_storable(text)


def is_storable(text: str) -> bool:
    """Whether a workbook can hold every character as it is."""
    return _NO_CHARACTERS.search(text) is None


def _as_json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if is_storable(text) else json.dumps(value)


def _fit(value: str | float) -> str | float:
    if isinstance(value, str) and len(value) > LONGEST_TEXT // 2:
        units = len(value.encode("utf-16-le", "surrogatepass")) // 2
        if units > LONGEST_TEXT:
            raise CellError(
                f"has {units:,} characters, a cell of a workbook holds {LONGEST_TEXT:,}",
                suggestion="export this loader as a rule file, or name the others with `codes`",
            )
    return value


def is_empty(raw: Raw) -> bool:
    """Nothing in the cell, or only blanks."""
    return raw is None or (isinstance(raw, str) and not raw.strip(_BLANK))


def parse_cell(column: Column, raw: Raw) -> Any:
    """The value of a cell that is not empty. `MASK` passes in any column: it stands for the stored value.

    Raises:
        CellError: with what is wrong and what to write instead.
    """
    if isinstance(raw, str):
        bare = raw.strip(_BLANK)
        if bare == MASK:
            return MASK
        if bare == HIDDEN:
            _refuse("is hidden from whoever exported it, not from you", "export the loader again in your own name")
    elif isinstance(raw, Flaw):
        _refuse(raw.reason, raw.suggestion)
    elif isinstance(raw, date | time | timedelta):
        _refuse("holds a date or time, which the spreadsheet made of the text", _AS_TEXT)
    return _PARSERS[column.kind](column, raw)


_AS_TEXT = "format the cell as Text, then type it again"


def _refuse(reason: str, suggestion: str) -> NoReturn:
    raise CellError(reason, suggestion=suggestion)


def _parse_text(_: Column, raw: Any) -> str:
    if not isinstance(raw, str):
        _refuse(f"holds a {'truth value' if isinstance(raw, bool) else 'number'}, not a text", _AS_TEXT)
    if not raw.startswith(_JSON):
        return raw
    value = _load_json(raw.removeprefix(_JSON))
    if not isinstance(value, str):
        _refuse("has no JSON string behind json:", f'write for example {_JSON}"" for an empty text')
    return value


def _parse_name(column: Column, raw: Any) -> str:
    return _trim(_parse_text(column, raw))


def _trim(text: str) -> str:
    return text.strip(_BLANK).removeprefix("'")


def _parse_number(_: Column, raw: Any) -> float:
    if isinstance(raw, bool):
        _refuse(f"holds {str(raw).upper()}, not a number", "write a number")
    if isinstance(raw, str):
        text = _trim(raw)
        if not _NUMBER.fullmatch(text):
            hint = "write the decimal point as ." if "," in text else "write digits only, without unit or blanks"
            _refuse("is not a number", hint)
        raw = float(text)
    if not math.isfinite(raw):
        _refuse("is too large for a number", "write a smaller number")
    return float(raw)


def _parse_integer(column: Column, raw: Any) -> int:
    if isinstance(raw, str) and re.fullmatch(r"[+-]?\d{1,18}", _trim(raw)):
        return int(_trim(raw))
    number = _parse_number(column, raw)
    if number != int(number):
        _refuse(f"is {number:g}, not a whole number", "write a whole number")
    return int(number)


def _parse_boolean(_: Column, raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, int | float) and raw in (0, 1):
        return bool(raw)
    word = _trim(raw).casefold() if isinstance(raw, str) else ""
    if word not in _YES | _NO:
        _refuse("is neither yes nor no", "write TRUE or FALSE")
    return word in _YES


def _parse_choice(column: Column, raw: Any) -> str:
    word = _trim(raw).casefold() if isinstance(raw, str) else ""
    found = next((one for one in column.choices if one.casefold() == word), None)
    if found is None:
        _refuse("is none of the values of this column", f"write one of: {', '.join(column.choices)}")
    return found


def _parse_labels(column: Column, raw: Any) -> list[str]:
    text = _parse_text(column, raw).strip(_BLANK)
    if not text.startswith("["):
        return [name for part in text.split(",") if (name := part.strip(_BLANK))]
    value = _load_json(text)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        _refuse("is not a list of names", 'write names with commas between them, or ["a", "b"]')
    return value


def _parse_object(_: Column, raw: Any) -> dict[str, Any]:
    value = _load_json(raw) if isinstance(raw, str) else None
    if not isinstance(value, dict):
        _refuse("is not a JSON object", 'write for example {"match_all": {}}')
    return value


def _load_json(text: str) -> Any:
    try:
        return json.loads(text.strip(_BLANK), object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        _refuse(f"is not JSON: {error.msg} at character {error.pos + 1}", "check quotes, commas and brackets")
    except (ValueError, RecursionError):
        _refuse("is JSON of numbers too long or objects too deep", "write it shorter")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        _refuse("has a key twice in one JSON object", "keep one of the two")
    return found


def _no_constant(name: str) -> NoReturn:
    _refuse(f"has {name} in its JSON", "write a finite number")


_PARSERS: dict[CellKind, Any] = {
    CellKind.TEXT: _parse_text,
    CellKind.NAME: _parse_name,
    CellKind.NUMBER: _parse_number,
    CellKind.INTEGER: _parse_integer,
    CellKind.BOOLEAN: _parse_boolean,
    CellKind.CHOICE: _parse_choice,
    CellKind.LABELS: _parse_labels,
    CellKind.JSON: _parse_object,
}
