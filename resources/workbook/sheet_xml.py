"""The XML of a workbook looked through by expat before the fast reader gets it: what no cell may be, and how far cells reach (A8).

Finds formulas, errors, merged cells, hidden rows and columns; refuses document type definitions, which entity bombs need.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from domain.loaders.workbook_cells import Flaw
from resources.workbook.package import refuse

_MAX_ELEMENTS = 4_000_000
_MAX_AREA = 4_000_000
_MAX_FLAWS = 1_000
_REFERENCE = re.compile(r"\$?([A-Z]{1,3})\$?([1-9][0-9]{0,6})")
_FORMULA = Flaw("holds a formula", "replace it by its value (copy, Paste Special → Values)")
_ERROR = Flaw("holds an error of the spreadsheet", "write a value, or clear the cell")
_DATE = Flaw(
    "holds a date or time, which the spreadsheet made of the text", "format the cell as Text, then type it again"
)


@dataclass
class SheetFacts:
    """What was found. Positions are (row, column), both from 0."""

    flaws: dict[tuple[int, int], Flaw] = field(default_factory=dict)
    merged: list[str] = field(default_factory=list)
    hidden_rows: list[int] = field(default_factory=list)
    hidden_columns: list[int] = field(default_factory=list)
    rows: int = 0
    columns: int = 0


def parse_elements(data: bytes, *, part: str, wanted: frozenset[str]) -> list[tuple[str, dict[str, str]]]:
    """Name and attributes of the wanted elements of a small part, prefixes left out."""
    found: list[tuple[str, dict[str, str]]] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(":")[2]
        if local in wanted:
            found.append((local, {key.rpartition(":")[2]: value for key, value in attributes.items()}))

    _run(_parser(start), data, part)
    return found


def check_part(data: bytes, *, part: str) -> None:
    """Refuse a part that is no plain XML or has more elements than a person's workbook."""
    _run(_parser(None), data, part)


def scan_sheet(data: bytes, *, part: str) -> SheetFacts:
    """Look through a worksheet.

    Raises:
        WorkbookRefusedError: not XML, a document type, or cells so far out that nobody put them there.
    """
    scan = _SheetScan(part)
    _run(_parser(scan.start), data, part)
    return scan.facts


class _SheetScan:
    def __init__(self, part: str) -> None:
        self.facts = SheetFacts()
        self._part = part
        self._row, self._column = -1, -1
        self._is_row_hidden = False
        self._hidden_columns: set[int] = set()
        self._has_value = False
        self._on = {
            "row": self._on_row, "c": self._on_cell, "v": self._on_value, "is": self._on_value, "f": self._on_formula,
            "mergeCell": self._on_merged, "col": self._on_column,
        }  # fmt: skip

    def start(self, name: str, attributes: dict[str, str]) -> None:
        handler = self._on.get(name)
        if handler is None and ":" in name:
            handler = self._on.get(name.rpartition(":")[2])
        if handler is not None:
            handler(attributes)

    def _on_row(self, attributes: dict[str, str]) -> None:
        number = attributes.get("r", "")
        self._row = int(number) - 1 if number.isascii() and number.isdigit() else self._row + 1
        self._column = -1
        self._is_row_hidden = attributes.get("hidden", "0") in ("1", "true")

    def _on_cell(self, attributes: dict[str, str]) -> None:
        self._has_value = False
        reference = attributes.get("r")
        if reference is None:
            self._column += 1
        else:
            match = _REFERENCE.fullmatch(reference)
            if match is None:
                refuse(
                    f"has a cell named {reference[:20]!r} in {self._part}", "save it anew in the spreadsheet program"
                )
            self._column, self._row = _column_index(match[1]), int(match[2]) - 1
        kind = attributes.get("t")
        if kind in ("e", "d"):
            self._on_value(attributes)
            self._add_flaw(_ERROR if kind == "e" else _DATE)

    def _on_value(self, _: dict[str, str]) -> None:
        if self._has_value:
            return
        self._has_value = True
        facts = self.facts
        facts.rows, facts.columns = max(facts.rows, self._row + 1), max(facts.columns, self._column + 1)
        if facts.rows * facts.columns > _MAX_AREA:
            reason = (
                f"has a value in row {facts.rows:,} or column {facts.columns:,}, far from all others, in {self._part}"
            )
            refuse(reason, "delete what is below the last row and right of the last column")
        if self._is_row_hidden and facts.hidden_rows[-1:] != [self._row] and len(facts.hidden_rows) < _MAX_FLAWS:
            facts.hidden_rows.append(self._row)
        if self._column in self._hidden_columns and self._column not in facts.hidden_columns:
            facts.hidden_columns.append(self._column)

    def _on_formula(self, attributes: dict[str, str]) -> None:
        self._on_value(attributes)
        self._add_flaw(_FORMULA)

    def _on_merged(self, attributes: dict[str, str]) -> None:
        if len(self.facts.merged) < _MAX_FLAWS:
            self.facts.merged.append(attributes.get("ref", "")[:40])

    def _on_column(self, attributes: dict[str, str]) -> None:
        if attributes.get("hidden", "0") not in ("1", "true"):
            return
        first, last = (attributes.get(one, "") for one in ("min", "max"))
        if first.isascii() and first.isdigit() and last.isascii() and last.isdigit():
            self._hidden_columns.update(range(int(first) - 1, min(int(last), 16_384)))

    def _add_flaw(self, flaw: Flaw) -> None:
        if len(self.facts.flaws) >= 100 * _MAX_FLAWS:
            refuse(f"has more than {100 * _MAX_FLAWS:,} formulas or errors in {self._part}", flaw.suggestion)
        self.facts.flaws[self._row, self._column] = flaw


def _column_index(letters: str) -> int:
    index = 0
    for letter in letters:
        index = index * 26 + ord(letter) - ord("A") + 1
    return index - 1


def _refuse_flood(part: str) -> None:
    reason = f"has more than {_MAX_ELEMENTS:,} cells and rows in {part}, most of them surely empty"
    refuse(reason, "delete the rows below the last loader and clear their formats")


def _parser(start: Any) -> expat.XMLParserType:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = _refuse_doctype
    return parser


def _refuse_doctype(*_: Any) -> None:
    refuse("has a document type definition inside, as no spreadsheet program writes it", "save it anew as .xlsx")


def _run(parser: expat.XMLParserType, data: bytes, part: str) -> None:
    if data.count(b"<") > 2 * _MAX_ELEMENTS:  # no more elements than opening brackets; most are closed by another
        _refuse_flood(part)
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        refuse(f"is damaged in {part}: {expat.ErrorString(error.code)}", "save it anew in the spreadsheet program")
