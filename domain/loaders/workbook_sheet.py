"""A sheet of a workbook as rows under known columns: its header checked, its empty rows left out (A8)."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.loaders.workbook_cells import HIDDEN, CellError, Raw, is_empty, parse_cell
from domain.loaders.workbook_layout import Column
from domain.loaders.workbook_report import WorkbookError


def column_letter(position: int) -> str:
    """0 → A, 25 → Z, 26 → AA."""
    letters = ""
    position += 1
    while position:
        position, rest = divmod(position - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


@dataclass(frozen=True, slots=True)
class RawSheet:
    """What the file holds: the header's row first; `rows` begins at row 1 of the sheet."""

    name: str
    rows: Sequence[Sequence[Raw]]


@dataclass
class Sheet:
    """A sheet whose columns are known by position. Errors gather in `errors`, in the order of rows."""

    name: str
    rows: Sequence[Sequence[Raw]]
    positions: dict[str, int] = field(default_factory=dict)
    columns: list[tuple[int, Column]] = field(default_factory=list)
    errors: list[WorkbookError] = field(default_factory=list)
    hidden: frozenset[str] = frozenset()

    def complain(self, reason: str, suggestion: str, *, row: int = 0, header: str = "", code: str = "") -> None:
        """One more error, at a cell where row and header are known."""
        letter = column_letter(self.positions[header]) if header in self.positions else ""
        text = f"{header} {reason}" if header and row else reason
        self.errors.append(
            WorkbookError(
                sheet=self.name, row=row, column=letter, header=header, code=code, reason=text, suggestion=suggestion
            )
        )

    def values(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Row number and header → value of the cells that are not empty, for rows that have one; bad cells are complained of."""
        for number, cells in enumerate(self.rows[1:], start=2):
            values = self._parse_row(number, cells)
            if values:
                yield number, values

    def _parse_row(self, number: int, cells: Sequence[Raw]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        code = cells[self.positions["code"]]
        for position, column in self.columns:
            raw = cells[position]
            if raw == "" or is_empty(raw):
                continue
            if raw == HIDDEN and column.header in self.hidden:
                found[column.header] = UNSEEN
                continue
            try:
                found[column.header] = parse_cell(column, raw)
            except CellError as error:
                found[column.header] = REFUSED
                self.complain(error.reason, error.suggestion, row=number, header=column.header, code=_shown(code))
        return found


def _shown(code: Raw) -> str:
    return code.strip()[:64] if isinstance(code, str) else ""


#: Stands for the value of a cell that was complained of.
REFUSED = object()
#: Stands for the value of a cell that says "(hidden)" where it may.
UNSEEN = object()


def open_sheet(raw: RawSheet, columns: Sequence[Column], *, hidden: frozenset[str] = frozenset()) -> Sheet:
    """The sheet with its columns found by header, in any order.

    A column that is missing, unknown or there twice is complained of, and the sheet has no rows then: an absent column
    would silently reset what it holds.

    Args:
        hidden: headers of columns in which "(hidden)" may stand.
    """
    sheet = Sheet(raw.name, raw.rows, hidden=hidden)
    header = ["" if is_empty(one) else str(one).strip() for one in (raw.rows[0] if raw.rows else [])]
    known = {column.header: column for column in columns}
    sheet.positions = {name: header.index(name) for name in known if name in header}
    sheet.columns = [(sheet.positions[name], known[name]) for name in sheet.positions]
    for name in (one for one in known if one not in header):
        sheet.complain(f"the column {name} is missing", "take the header row of the template as it is", header=name)
    for position, name in enumerate(header):
        if name and name not in known:
            _complain_of_stranger(sheet, position, name, known)
    for name, times in Counter(one for one in header if one).items():
        if times > 1 and name in known:
            sheet.complain(f"the column {name} is there {times} times", "keep one of them", row=1, header=name)
    _complain_of_cells_without_header(sheet, header)
    if sheet.errors:
        sheet.rows = []
    return sheet


def _complain_of_stranger(sheet: Sheet, position: int, name: str, known: dict[str, Column]) -> None:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "remove the column"
    sheet.errors.append(
        WorkbookError(
            sheet=sheet.name,
            row=1,
            column=column_letter(position),
            header=name[:80],
            code="",
            reason=f"there is no column {name[:80]!r}",
            suggestion=hint,
        )
    )


def _complain_of_cells_without_header(sheet: Sheet, header: list[str]) -> None:
    nameless = [position for position, name in enumerate(header) if not name]
    for number, cells in enumerate(sheet.rows[1:], start=2) if nameless else ():
        position = next((one for one in nameless if not is_empty(cells[one])), None)
        if position is not None:
            letter = column_letter(position)
            sheet.errors.append(
                WorkbookError(
                    sheet=sheet.name,
                    row=number,
                    column=letter,
                    header="",
                    code="",
                    reason=f"there is a value in column {letter}, which has no header",
                    suggestion="remove it, or move it under a header",
                )
            )
            return
