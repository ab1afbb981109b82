"""From the sheets of a workbook to documents of loaders, or to one error per cell that is wrong (A8)."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from domain.access.field_protection import MASK, Effect
from domain.errors import EtlmonError
from domain.loaders.workbook_layout import Column, loader_columns, query_columns, query_models
from domain.loaders.workbook_report import WorkbookError
from domain.loaders.workbook_rows import list_hidden
from domain.loaders.workbook_sheet import REFUSED, UNSEEN, RawSheet, Sheet, open_sheet

#: Secrets that are kept when a document lacks them, whoever sends it.
_KEPT = frozenset({"connection.password", "connection.headers"})


@dataclass
class ParsedLoader:
    """One loader of the workbook. `document` lacks what is hidden; `MASK` in it stands for the stored value."""

    code: str
    row: int
    document: dict[str, Any]
    query_rows: dict[str, list[int]] = field(default_factory=dict)
    is_refused: bool = False


@dataclass
class ParsedWorkbook:
    """Loaders in the order of their rows, and all errors, those of the sheet Loaders first."""

    loaders: list[ParsedLoader]
    loaders_sheet: Sheet
    queries_sheet: Sheet

    @property
    def errors(self) -> list[WorkbookError]:
        """All errors by sheet and row."""
        return [
            *sorted(self.loaders_sheet.errors, key=lambda one: one.row),
            *sorted(self.queries_sheet.errors, key=lambda one: one.row),
        ]


def parse_workbook(
    loaders: RawSheet, queries: RawSheet, *, effects: Mapping[str, Effect] | None = None
) -> ParsedWorkbook:
    """Read both sheets. A loader is refused when a cell of its row or of one of its queries is wrong.

    Whether the definitions hold is judged when they are put together with what is stored; `complain_of` takes what is
    found there back to the cells.

    Args:
        effects: what the importer's role sees of loaders.
    """
    hidden = list_hidden(effects or {})
    loaders_sheet = open_sheet(loaders, loader_columns(), hidden=hidden | _KEPT)
    queries_sheet = open_sheet(queries, query_columns(), hidden=hidden)
    found: dict[str, ParsedLoader] = {}
    parsed = ParsedWorkbook([], loaders_sheet, queries_sheet)
    if parsed.errors:
        return parsed
    for number, values in loaders_sheet.values():
        _add_loader(loaders_sheet, number, values, found)
    for number, values in queries_sheet.values():
        _add_query(queries_sheet, number, values, found)
    parsed.loaders = list(found.values())
    return parsed


def _add_loader(sheet: Sheet, number: int, values: dict[str, Any], found: dict[str, ParsedLoader]) -> None:
    code = values.get("code")
    if not isinstance(code, str) or code == MASK:
        if code is not REFUSED:
            sheet.complain("is empty", "name the loader", row=number, header="code")
        return
    if code in found:
        found[code].is_refused = True
        reason = f"{code} is in row {found[code].row} already"
        sheet.complain(reason, "keep one row per loader", row=number, header="code", code=code)
        return
    loader = found[code] = ParsedLoader(code, number, {})
    loader.is_refused = REFUSED in values.values()
    for column in loader_columns():
        if len(column.path) == 1 and column.header != "connection":
            loader.is_refused |= not _put(sheet, number, values, column, loader.document, code=code)
    loader.is_refused |= not _put_connection(sheet, number, values, loader)


def _put(
    sheet: Sheet, number: int, values: dict[str, Any], column: Column, target: dict[str, Any], *, code: str
) -> bool:
    """Put a value or its default into the document; False when the column needs one and has none."""
    value = values.get(column.header)
    if value is None and column.is_required:
        sheet.complain("is empty and has no default", _advise(column), row=number, header=column.header, code=code)
        return False
    if value is not UNSEEN:
        target[column.path[-1]] = copy(column.default) if value is None else value
    return True


def _advise(column: Column) -> str:
    if column.choices:
        return f"write one of: {', '.join(column.choices)}"
    return f"write for example {column.example}" if column.example else "fill it in"


@cache
def _parts_of(head: str) -> tuple[Column, ...]:
    """The columns over which an object is spread."""
    return tuple(one for one in (*loader_columns(), *query_columns()) if one.path[0] == head and len(one.path) > 1)


def _put_connection(sheet: Sheet, number: int, values: dict[str, Any], loader: ParsedLoader) -> bool:
    name = values.get("connection")
    parts = _parts_of("connection")
    filled = [one for one in parts if one.header in values]
    if name is not None and filled:
        reason = f"names a connection, and {filled[0].header} describes one"
        sheet.complain(reason, "keep one of the two", row=number, header="connection", code=loader.code)
        return False
    if name is None and not filled:
        hint = "name a configured connection here, or fill in connection.url"
        sheet.complain("is empty", hint, row=number, header="connection", code=loader.code)
        return False
    if name is not None:
        if name is not UNSEEN:
            loader.document["connection"] = name
        return True
    if "connection.url" not in values:
        hint = "fill it in, or clear the other columns of the connection"
        sheet.complain("is empty", hint, row=number, header="connection.url", code=loader.code)
        return False
    described = loader.document["connection"] = {}
    results = [_put(sheet, number, values, one, described, code=loader.code) for one in parts]
    return all(results)


def _add_query(sheet: Sheet, number: int, values: dict[str, Any], found: dict[str, ParsedLoader]) -> None:
    code, kind = values.get("code"), values.get("query_kind")
    loader = found.get(code) if isinstance(code, str) else None
    if loader is None:
        if code is not REFUSED:
            reason = f"{code} is no loader of the sheet Loaders" if code else "is empty"
            sheet.complain(reason, "add the loader there, or correct the code", row=number, header="code")
        return
    if REFUSED in values.values():
        loader.is_refused = True
        return
    if not isinstance(kind, str) or kind not in query_models():
        hint = f"write one of: {', '.join(query_models())}"
        sheet.complain("is empty", hint, row=number, header="query_kind", code=loader.code)
        loader.is_refused = True
        return
    query: dict[str, Any] = {}
    is_good = _has_no_stranger(sheet, number, values)
    for column in _columns_for(kind):
        put = _put if len(column.path) == 1 else _put_part
        is_good &= put(sheet, number, values, column, query, code=loader.code)
    loader.is_refused |= not is_good
    loader.document.setdefault(kind, []).append(query)
    loader.query_rows.setdefault(kind, []).append(number)


@cache
def _columns_for(kind: str) -> tuple[Column, ...]:
    return tuple(one for one in query_columns() if kind in one.queries)


def _has_no_stranger(sheet: Sheet, number: int, values: dict[str, Any]) -> bool:
    """Every value of the row belongs to queries of its kind."""
    kind, is_good = values["query_kind"], True
    for _, column in sheet.columns:
        if column.queries and kind not in column.queries and column.header in values:
            reason = f"has no meaning for queries of kind {kind}"
            hint = f"clear it; it is for {', '.join(column.queries)}"
            sheet.complain(reason, hint, row=number, header=column.header, code=values["code"])
            is_good = False
    return is_good


def _put_part(
    sheet: Sheet, number: int, values: dict[str, Any], column: Column, query: dict[str, Any], *, code: str
) -> bool:
    """One column of an object that may be absent as a whole."""
    head = column.path[0]
    parts = _parts_of(head)
    filled = [one.header for one in parts if one.header in values]
    if not filled:
        query[head] = None
        return True
    lead = parts[0].header
    if filled == [lead] and values[lead] is UNSEEN:
        return True
    if lead not in values:
        if column.header == lead:
            reason = f"is empty, but {filled[0]} is not"
            sheet.complain(reason, f"fill it in, or clear {filled[0]}", row=number, header=lead, code=code)
        return False
    if filled == [lead] and values[lead] == MASK:
        query[head] = MASK
        return True
    return _put(sheet, number, values, column, query.setdefault(head, {}), code=code)


def complain_of(parsed: ParsedWorkbook, loader: ParsedLoader, error: EtlmonError) -> None:
    """Refuse a loader for what storing it found, at the cells that the error names."""
    loader.is_refused = True
    fields = error.context.get("fields") or [("", error.reason, error.suggestion)]
    for name, message, suggestion in fields:
        path = str(name).split(".") if name else []
        rows = loader.query_rows.get(path[0], []) if path else []
        if len(path) > 1 and path[1].isdigit() and int(path[1]) < len(rows):
            sheet, row, header = parsed.queries_sheet, rows[int(path[1])], _find_header(path[2:], query_columns())
        else:
            sheet, row, header = parsed.loaders_sheet, loader.row, _find_header(path, loader_columns())
        is_whole = not header
        hint = "add its queries on the sheet Queries" if "has no query" in message else suggestion
        sheet.complain(message, hint, row=row, header="code" if is_whole else header, code=loader.code)


def _find_header(path: list[str], columns: tuple[Column, ...]) -> str:
    """The column that holds the value under a path, or the object around it."""
    if not path:
        return ""
    ways = (tuple(path[:2]), tuple(path[:1]))
    found = next((one.header for way in ways for one in columns if one.path == way), "")
    return found or next((one.header for one in columns if one.path[0] == path[0]), "")
