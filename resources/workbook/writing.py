"""Loaders as a workbook file, row by row: memory does not grow with their number (A8).

Every text is written as a string cell with Excel's quote prefix, so that no spreadsheet program ever takes it for a formula.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from domain.loaders.workbook_cells import CellError, render_cell
from domain.loaders.workbook_layout import (
    GUIDE_SHEET,
    LAYOUT_VERSION,
    LOADERS_SHEET,
    QUERIES_SHEET,
    CellKind,
    Column,
    loader_columns,
    query_columns,
)
from domain.loaders.workbook_rows import render_loader, render_queries
from domain.loaders.workbook_texts import GUIDE

_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
_LAST_ROW = 1_048_575
_WIDE = {"promql", "sql", "description", "query", "aggregations", "title", "connection.url"}
_NUMBERS = {CellKind.NUMBER, CellKind.INTEGER}


def write_workbook(path: Path, documents: Iterable[Mapping[str, Any]], *, hidden: frozenset[str] = frozenset()) -> int:
    """Write the loaders, already as the reader may see them; the number of loaders. No documents give the template.

    The iterable is walked once; rows of both sheets are written as they come. `hidden` as in `render_loader`.

    Raises:
        InputDataError: a text does not fit into a cell; names loader and field. The file is left unusable then.
    """
    count, line = 0, 1
    with xlsxwriter.Workbook(str(path), {**_OPTIONS, "tmpdir": str(path.parent)}) as book:
        text, header = _text_format(book), book.add_format({"bold": True, "bg_color": "#DCE6F1", "bottom": 1})
        required = book.add_format({"bold": True, "bg_color": "#F8CBAD", "bottom": 1})
        loaders, queries = book.add_worksheet(LOADERS_SHEET), book.add_worksheet(QUERIES_SHEET)
        for sheet, columns in ((loaders, loader_columns()), (queries, query_columns())):
            _write_header(sheet, columns, header=header, required=required, text=text)
        for document in documents:
            count += 1
            _write_row(loaders, count, render_loader(document, hidden=hidden), text)
            for cells in render_queries(document):
                _write_row(queries, line, cells, text)
                line += 1
        _write_guide(book.add_worksheet(GUIDE_SHEET), text, header)
    return count


def _text_format(book: xlsxwriter.Workbook) -> Format:
    return book.add_format({"num_format": "@", "quote_prefix": True, "valign": "top"})


def _write_header(
    sheet: Worksheet, columns: tuple[Column, ...], *, header: Format, required: Format, text: Format
) -> None:
    sheet.freeze_panes(1, 1)
    for position, column in enumerate(columns):
        width = 48 if column.header in _WIDE else max(12, len(column.header) + 3)
        sheet.set_column(position, position, width, None if column.kind in _NUMBERS else text)
        sheet.write_string(0, position, column.header, required if column.is_required else header)
        sheet.write_comment(0, position, describe_column(column), {"x_scale": 2.2, "y_scale": 1.6})
        choices = ["TRUE", "FALSE"] if column.kind is CellKind.BOOLEAN else list(column.choices)
        if choices:
            sheet.data_validation(1, position, _LAST_ROW, position, {"validate": "list", "source": choices})
    sheet.autofilter(0, 0, 0, len(columns) - 1)


def describe_column(column: Column) -> str:
    """The note on a header: meaning, kind, unit, default, example, whether it is needed."""
    lines = [column.meaning, f"Kind: {column.kind.value}{f', in {column.unit}' if column.unit else ''}"]
    if column.choices:
        lines.append(f"Values: {', '.join(column.choices)}")
    if column.queries:
        lines.append(f"For queries of kind: {', '.join(column.queries)}")
    lines.append("Required" if column.is_required else f"Empty means: {_default_text(column)}")
    if column.example:
        lines.append(f"Example: {column.example}")
    return "\n".join(lines)


def _default_text(column: Column) -> str:
    try:
        shown = render_cell(column, column.default)
    except CellError:
        shown = None
    if column.default is None:
        return "unset"
    return "empty" if shown is None else str(shown).upper() if isinstance(shown, bool) else str(shown)


def _write_row(sheet: Worksheet, row: int, cells: Iterable[str | float | bool | None], text: Format) -> None:
    if row > _LAST_ROW:
        raise CellError(f"row {row:,} is past the end of a sheet", suggestion="export fewer loaders with `codes`")
    for position, value in enumerate(cells):
        if value is None:
            continue
        if isinstance(value, bool):
            sheet.write_boolean(row, position, value)
        elif isinstance(value, str):
            sheet.write_string(row, position, value, text)
        else:
            sheet.write_number(row, position, value)


def _write_guide(sheet: Worksheet, text: Format, header: Format) -> None:
    sheet.set_column(0, 0, 14)
    sheet.set_column(1, 1, 120)
    sheet.write_string(0, 0, "Workbook of loaders", header)
    sheet.write_string(1, 0, "layout")
    sheet.write_number(1, 1, LAYOUT_VERSION)
    for row, line in enumerate(GUIDE, start=3):
        sheet.write_string(row, 1, line, text)
    row = len(GUIDE) + 4
    for name, columns in ((LOADERS_SHEET, loader_columns()), (QUERIES_SHEET, query_columns())):
        sheet.write_string(row, 0, name, header)
        for column in columns:
            row += 1
            sheet.write_string(row, 0, column.header, text)
            sheet.write_string(row, 1, describe_column(column).replace("\n", " · "), text)
        row += 2
