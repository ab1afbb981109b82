"""What people do to a workbook by mistake: each error names sheet, row, column, reason and what to do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.loaders.workbook_parsing import ParsedWorkbook, parse_workbook
from domain.loaders.workbook_report import WorkbookError
from domain.loaders.workbook_sheet import column_letter
from resources.workbook.reading import read_workbook
from tests.fakes.workbooks import cell, edited, prometheus_loader, workbook_bytes

pytestmark = pytest.mark.requirement("A8")

BOOK = workbook_bytes(prometheus_loader("A-ONE"), prometheus_loader("B-TWO"))


def _import(change: Callable[[Any], None]) -> tuple[ParsedWorkbook, list[WorkbookError]]:
    content = read_workbook(edited(BOOK, change))
    parsed = parse_workbook(content.loaders, content.queries)
    return parsed, [*content.errors, *parsed.errors]


def _set(sheet: str, header: str, value: Any, *, row: int = 2) -> Callable[[Any], None]:
    def change(book: Any) -> None:
        cell(book[sheet], header, row).value = value

    return change


def test_the_untouched_workbook_has_no_error() -> None:
    parsed, errors = _import(lambda _: None)
    assert [one.code for one in parsed.loaders] == ["A-ONE", "B-TWO"]
    assert not errors


CELLS: dict[str, tuple[str, str, Any, str, str]] = {
    "date for cron": ("Loaders", "schedule", datetime(2026, 5, 1), "date or time", "Text"),  # noqa: DTZ001
    "time for cron": ("Loaders", "schedule", datetime(2026, 5, 1, tzinfo=UTC).time(), "date or time", "Text"),
    "number for a code": ("Loaders", "code", 4711, "holds a number", "Text"),
    "number for a title": ("Loaders", "title", 2026, "holds a number", "Text"),
    "truth for a title": ("Loaders", "title", True, "holds a truth value", "Text"),
    "date for a number": ("Loaders", "step_s", datetime(2026, 5, 1), "date or time", "Text"),  # noqa: DTZ001
    "word for a number": ("Loaders", "step_s", "sixty", "not a number", "digits"),
    "decimal comma": ("Loaders", "step_s", "0,5", "not a number", "decimal point"),
    "unit in a number": ("Loaders", "step_s", "60 s", "not a number", "without unit"),
    "truth for a number": ("Loaders", "step_s", True, "TRUE, not a number", "number"),
    "too large a number": ("Loaders", "step_s", "1e999", "too large", "smaller"),
    "broken whole number": ("Loaders", "max_series", 5.5, "not a whole number", "whole"),
    "neither yes nor no": ("Loaders", "accepts_any_metric", "perhaps", "neither yes nor no", "TRUE or FALSE"),
    "two for yes": ("Loaders", "accepts_any_metric", 2, "neither yes nor no", "TRUE or FALSE"),
    "unknown source": ("Loaders", "source", "oracle", "none of the values", "prometheus, elasticsearch, sql, push"),
    "no title": ("Loaders", "title", None, "is empty", "fill|write"),
    "blank title": ("Loaders", "title", " \u00a0 ", "is empty", "fill|write"),
    "no code": ("Loaders", "code", None, "is empty", "name the loader"),
    "no connection": ("Loaders", "connection", None, "is empty", "connection.url"),
    "two connections": ("Loaders", "connection.url", "http://h", "names a connection", "one of the two"),
    "formula": ("Loaders", "title", "=1+1", "formula", "value"),
    "formula for a number": ("Loaders", "step_s", "=30*2", "formula", "value"),
    "error": ("Loaders", "title", "#N/A", "error of the spreadsheet", "value"),
    "query without loader": ("Queries", "code", "C-THREE", "no loader of the sheet Loaders", "add the loader"),
    "query without code": ("Queries", "code", None, "is empty", "add the loader"),
    "query without kind": ("Queries", "query_kind", None, "is empty", "prometheus, elasticsearch"),
    "query of unknown kind": ("Queries", "query_kind", "graphite", "none of the values", "prometheus"),
    "query without text": ("Queries", "promql", None, "is empty", "for example"),
    "cell of another kind": ("Queries", "sql", "SELECT 1", "no meaning for queries of kind prometheus", "for sql"),
    "half a limit": ("Queries", "limit.warn_at_pct", 80, "limit.warn_at_pct is not", "fill it in"),
    "labels that are no names": ("Queries", "labels", "[1, 2]", "not a list of names", "commas"),
    "labels that are no JSON": ("Queries", "labels", '["a"', "is not JSON", "brackets"),
    "json behind json: that is no text": ("Loaders", "title", "json:5", "no JSON string", 'json:""'),
}  # fmt: skip


@pytest.mark.parametrize("name", CELLS)
def test_each_mistake_in_a_cell_is_named_with_its_place(name: str) -> None:
    sheet, header, value, reason, suggestion = CELLS[name]
    parsed, errors = _import(_set(sheet, header, value))
    at = {
        "half a limit": "limit.value", "two connections": "connection",
    }.get(name, header)  # fmt: skip
    found = next(one for one in errors if one.header == at and one.sheet == sheet)
    columns = parsed.loaders_sheet if sheet == "Loaders" else parsed.queries_sheet
    assert (found.row, found.column) == (2, column_letter(columns.positions[at]))
    assert reason in found.reason
    assert any(part in found.suggestion for part in suggestion.split("|"))
    good = [one.code for one in parsed.loaders if not one.is_refused]
    assert good == ["B-TWO"] or name in {"query without loader", "query without code"}


@pytest.mark.parametrize("value", ["sixty", 5, "=1", datetime(2026, 5, 1)])  # noqa: DTZ001
def test_an_error_never_repeats_what_a_secret_cell_holds(value: Any) -> None:
    def change(book: Any) -> None:
        sheet = book["Loaders"]
        cell(sheet, "connection").value = None
        cell(sheet, "connection.url").value = "http://h"
        cell(sheet, "connection.headers").value = "canary-1234"
        cell(sheet, "connection.password").value = value

    _, errors = _import(change)
    assert errors
    assert all("canary" not in str(one) and "sixty" not in str(one) for one in errors)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True), ("TRUE", True), ("yes", True), (" Ja ", True), (1, True), ("1", True), ("on", True), ("WAHR", True),
        (False, False), ("false", False), ("No", False), ("nein\u00a0", False), (0, False), ("0", False), ("'off", False),
    ],
)  # fmt: skip
def test_truth_has_several_spellings(value: Any, expected: bool) -> None:
    parsed, errors = _import(_set("Loaders", "accepts_any_metric", value))
    assert not errors
    assert parsed.loaders[0].document["accepts_any_metric"] is expected


@pytest.mark.parametrize(("header", "value", "expected"), [
    ("code", " A-ONE\u00a0", "A-ONE"), ("code", "'A-ONE", "A-ONE"), ("source", " Prometheus ", "prometheus"),
    ("step_s", "60", 60.0), ("step_s", " 6e1 ", 60.0), ("max_series", "100", 100), ("max_series", 100.0, 100),
    ("title", "'quoted'", "'quoted'"), ("title", "  kept  ", "  kept  "), ("title", 'json:""', ""),
    ("owner", None, "data-platform"), ("timeout_s", None, 30.0),
])  # fmt: skip
def test_blanks_and_numbers_as_text_are_understood(header: str, value: Any, expected: Any) -> None:
    parsed, errors = _import(_set("Loaders", header, value))
    assert not errors
    assert parsed.loaders[0].document[header] == expected


def test_a_code_twice_names_both_rows() -> None:
    _, errors = _import(_set("Loaders", "code", "A-ONE", row=3))
    first = errors[0]
    assert (first.where, first.code) == ("Loaders!A3", "A-ONE")
    assert "row 2" in first.reason


def _rename(book: Any) -> None:
    cell(book["Loaders"], "schedule", 1).value = "shedule"


def _add(book: Any) -> None:
    sheet = book["Loaders"]
    sheet.cell(1, sheet.max_column + 1).value = "colour"


def _double(book: Any) -> None:
    sheet = book["Loaders"]
    sheet.cell(1, sheet.max_column + 1).value = "title"


def _remove(book: Any) -> None:
    book["Queries"].delete_cols(8)


def _stray(book: Any) -> None:
    sheet = book["Loaders"]
    sheet.cell(3, sheet.max_column + 2).value = "note to self"


def _merge(book: Any) -> None:
    book["Loaders"].merge_cells("B2:B3")


def _hide_row(book: Any) -> None:
    book["Loaders"].row_dimensions[3].hidden = True


def _hide_column(book: Any) -> None:
    book["Queries"].column_dimensions["E"].hidden = True


def _hide_sheet(book: Any) -> None:
    book["Queries"].sheet_state = "hidden"


def _more_sheets(book: Any) -> None:
    book.create_sheet("Scratch")


def _old_layout(book: Any) -> None:
    book["Guide"]["B2"].value = 99


def _no_header(book: Any) -> None:
    book["Loaders"].insert_rows(1)


WHOLE = {
    "renamed column": (_rename, "no column 'shedule'", "did you mean schedule"),
    "new column": (_add, "no column 'colour'", "remove"),
    "column twice": (_double, "title is there 2 times", "keep one"),
    "column removed": (_remove, "is missing", "template"),
    "value without header": (_stray, "which has no header", "remove it"),
    "merged": (_merge, "B2:B3 are merged", "unmerge"),
    "hidden row": (_hide_row, "row 3 is hidden", "show it"),
    "hidden column": (_hide_column, "column E is hidden", "show it"),
    "hidden sheet": (_hide_sheet, "Queries is hidden", "show it"),
    "another sheet": (_more_sheets, "Scratch does not belong", "remove it"),
    "another layout": (_old_layout, "another layout", "layout 1"),
    "header not first": (_no_header, "code is missing", "template"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_wrong_with_the_workbook_as_a_whole(name: str) -> None:
    change, reason, suggestion = WHOLE[name]
    _, errors = _import(change)
    found = next(one for one in errors if reason in one.reason)
    assert suggestion in found.suggestion
    assert found.sheet


def test_columns_may_be_moved_and_rows_left_empty() -> None:
    def change(book: Any) -> None:
        sheet = book["Loaders"]
        for row in list(sheet.iter_rows()):
            for one, value in zip(row, [one.value for one in reversed(row)], strict=True):
                one.value = value
        sheet.insert_rows(3, amount=4)

    parsed, errors = _import(change)
    assert not errors
    assert [(one.code, one.row) for one in parsed.loaders] == [("A-ONE", 2), ("B-TWO", 7)]


def test_a_loader_without_queries_is_left_to_its_definition() -> None:
    def change(book: Any) -> None:
        book["Queries"].delete_rows(2)

    parsed, errors = _import(change)
    assert not errors
    assert "prometheus" not in parsed.loaders[0].document


def test_letters_of_columns() -> None:
    assert [column_letter(one) for one in (0, 25, 26, 51, 52, 701, 702, 16_383)] == [
        "A", "Z", "AA", "AZ", "BA", "ZZ", "AAA", "XFD",
    ]  # fmt: skip
