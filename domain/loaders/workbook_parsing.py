"""From the sheets of a workbook to documents of loaders, or to one error per cell that is wrong (A8)."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from domain.access.field_protection import MASK
from domain.loaders.definition import LoaderDefinition
from domain.loaders.workbook_cells import HIDDEN
from domain.loaders.workbook_layout import Column, loader_columns, query_columns, query_models
from domain.loaders.workbook_report import WorkbookError
from domain.loaders.workbook_sheet import REFUSED, RawSheet, Sheet, open_sheet

#: What pydantic puts into locations for the branches of a union; no column is named so.
_BRANCHES = {"str", "Connection"}


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


def parse_workbook(loaders: RawSheet, queries: RawSheet) -> ParsedWorkbook:
    """Read both sheets. A loader is refused when a cell of its row or of one of its queries is wrong."""
    loaders_sheet, queries_sheet = open_sheet(loaders, loader_columns()), open_sheet(queries, query_columns())
    found: dict[str, ParsedLoader] = {}
    parsed = ParsedWorkbook([], loaders_sheet, queries_sheet)
    if parsed.errors:
        return parsed
    for number, values in loaders_sheet.values():
        _add_loader(loaders_sheet, number, values, found)
    for number, values in queries_sheet.values():
        _add_query(queries_sheet, number, values, found)
    parsed.loaders = list(found.values())
    for one in parsed.loaders:
        if not one.is_refused:
            _validate(one, loaders_sheet, queries_sheet)
    return parsed


def _add_loader(sheet: Sheet, number: int, values: dict[str, Any], found: dict[str, ParsedLoader]) -> None:
    code = values.get("code")
    if not isinstance(code, str) or code in (MASK, HIDDEN):
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
    if value != HIDDEN:
        target[column.path[-1]] = copy(column.default) if value is None else value
    return True


def _advise(column: Column) -> str:
    if column.choices:
        return f"write one of: {', '.join(column.choices)}"
    return f"write for example {column.example}" if column.example else "fill it in"


def _put_connection(sheet: Sheet, number: int, values: dict[str, Any], loader: ParsedLoader) -> bool:
    name = values.get("connection")
    parts = [one for one in loader_columns() if one.path[0] == "connection" and len(one.path) > 1]
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
        if name != HIDDEN:
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
    is_good = True
    for column in query_columns()[2:]:
        is_good &= _put_query_cell(sheet, number, values, column, query)
    loader.is_refused |= not is_good
    loader.document.setdefault(kind, []).append(query)
    loader.query_rows.setdefault(kind, []).append(number)


def _put_query_cell(sheet: Sheet, number: int, values: dict[str, Any], column: Column, query: dict[str, Any]) -> bool:
    kind, code = values["query_kind"], values["code"]
    if kind not in column.queries:
        if column.header not in values:
            return True
        kinds = ", ".join(column.queries)
        reason = f"has no meaning for queries of kind {kind}"
        sheet.complain(reason, f"clear it; it is for {kinds}", row=number, header=column.header, code=code)
        return False
    if len(column.path) == 1:
        return _put(sheet, number, values, column, query, code=code)
    return _put_part(sheet, number, values, column, query)


def _put_part(sheet: Sheet, number: int, values: dict[str, Any], column: Column, query: dict[str, Any]) -> bool:
    """One column of an object that may be absent as a whole."""
    head = column.path[0]
    parts = [one for one in query_columns() if one.path[0] == head]
    filled = [one.header for one in parts if one.header in values]
    if not filled:
        query[head] = None
        return True
    lead = parts[0].header
    if filled == [lead] and values[lead] == HIDDEN:
        return True
    if lead not in values:
        if column.header == lead:
            reason = f"is empty, but {filled[0]} is not"
            sheet.complain(reason, f"fill it in, or clear {filled[0]}", row=number, header=lead, code=values["code"])
        return False
    if filled == [lead] and values[lead] == MASK:
        query[head] = MASK
        return True
    return _put(sheet, number, values, column, query.setdefault(head, {}), code=values["code"])


def _validate(loader: ParsedLoader, loaders_sheet: Sheet, queries_sheet: Sheet) -> None:
    try:
        LoaderDefinition.model_validate(loader.document)
    except ValidationError as error:
        for one in error.errors(include_url=False, include_context=False):
            if not _is_protected(one, loader):
                loader.is_refused = True
                _locate(one, loader, loaders_sheet, queries_sheet)


def _is_protected(error: ErrorDetails, loader: ParsedLoader) -> bool:
    """The value is one that only the database knows: it is judged when it is put together with what is stored."""
    if error["input"] == MASK or (error["type"] == "missing" and error["loc"]):
        return True
    is_other_branch = error["loc"][0:1] == ("connection",) and error["loc"][-1] == "str"
    return is_other_branch and isinstance(loader.document.get("connection"), dict)


def _locate(error: ErrorDetails, loader: ParsedLoader, loaders_sheet: Sheet, queries_sheet: Sheet) -> None:
    """Complain at the cell that pydantic's location means."""
    location = [part for part in error["loc"] if part not in _BRANCHES]
    reason = error["msg"].removeprefix("Value error, ")
    kind = location[0] if location else ""
    if kind in loader.query_rows and len(location) > 1 and isinstance(location[1], int):
        row, sheet, path = loader.query_rows[str(kind)][location[1]], queries_sheet, location[2:]
        known = query_columns()
    else:
        row, sheet, path, known = loader.row, loaders_sheet, location, loader_columns()
    header = _header_of(path, known) or ("source" if sheet is loaders_sheet else "query_kind")
    if header.startswith("connection") and error["type"] == "value_error" and _tells(error, reason):
        reason = "is not valid"
    advice = "add its queries on the sheet Queries" if not location else f"must be {_demand(header, known)}"
    sheet.complain(f"is wrong: {reason}", advice, row=row, header=header, code=loader.code)


def _tells(error: ErrorDetails, reason: str) -> bool:
    return isinstance(error["input"], str) and error["input"] in reason


def _header_of(path: list[Any], columns: tuple[Column, ...]) -> str:
    names = tuple(str(part) for part in path)
    return next((one.header for one in columns for cut in (2, 1) if one.path == names[:cut] and names), "")


def _demand(header: str, columns: tuple[Column, ...]) -> str:
    column = next(one for one in columns if one.header == header)
    example = f", for example {column.example}" if column.example else ""
    return f"{column.kind.value}{example}"
