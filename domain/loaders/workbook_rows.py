"""Rows of a workbook and documents of loaders: one into the other (A8). The shape is `LoaderDefinition.model_dump(mode="json")`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from domain.access.field_protection import MASK, Effect
from domain.errors import InputDataError
from domain.loaders.workbook_cells import HIDDEN, CellError, render_cell
from domain.loaders.workbook_layout import Column, loader_columns, query_columns, query_models

Cells: TypeAlias = "list[str | int | float | bool | None]"
_MISSING = object()
_HEADERS = ("connection", "headers")


def list_hidden(effects: Mapping[str, Effect]) -> frozenset[str]:
    """Headers of the columns that a role does not see, wholly or, of an object that has no columns, in part."""
    rules = [tuple(field.split(".")) for field, effect in effects.items() if effect is Effect.HIDDEN]
    return frozenset(
        column.header
        for column in (*loader_columns(), *query_columns())
        for kind in column.queries or ("",)
        for rule in rules
        if _is_under(rule, (kind, *column.path) if kind else column.path)
    )


def _is_under(rule: tuple[str, ...], path: tuple[str, ...]) -> bool:
    """Whether the rule hides the value at the path, an object around it, or, for headers, one inside."""
    is_long_enough = len(rule) <= len(path) or path == _HEADERS
    return is_long_enough and all(one in ("*", other) for one, other in zip(rule, path, strict=False))


def render_loader(document: Mapping[str, Any], *, hidden: frozenset[str] = frozenset()) -> Cells:
    """The row of one loader; fields that the document lacks are hidden from whoever exports.

    Args:
        hidden: answer of `list_hidden`: of headers that are hidden one by one nothing shows that they were there.

    Raises:
        InputDataError: a text is longer than a cell, named by loader and field.
    """
    cells = [_render(column, document, code=document["code"]) for column in loader_columns()]
    if "connection.headers" in hidden and isinstance(document.get("connection"), Mapping):
        position = next(at for at, one in enumerate(loader_columns()) if one.path == _HEADERS)
        cells[position] = HIDDEN
    return cells


def render_queries(document: Mapping[str, Any]) -> Iterator[Cells]:
    """The rows of a loader's queries, in their order; errors as `render_loader`."""
    code, columns = document["code"], query_columns()
    for kind in query_models():
        queries = document.get(kind, MASK)
        if isinstance(queries, str):
            raise InputDataError(
                f"{code}: the list {kind} is protected as a whole and has no place in a workbook",
                suggestion="protect single fields of the queries instead",
            )
        for query in queries:
            values = {**query, "code": code, "query_kind": kind}
            yield [
                _render(one, values, code=code) if not one.queries or kind in one.queries else None for one in columns
            ]


def _render(column: Column, document: Mapping[str, Any], *, code: str) -> str | int | float | bool | None:
    value = _find(column, document)
    if value is _MISSING:
        return HIDDEN
    try:
        return render_cell(column, value)
    except CellError as error:
        raise InputDataError(
            f"{code}: {column.header} {error.reason}", suggestion=error.suggestion, loader=code, field=column.header
        ) from None


def _find(column: Column, document: Mapping[str, Any]) -> Any:
    """The value under the column's path; a protected object shows in the column that it leads."""
    head, *rest = column.path
    value = document.get(head, _MISSING)
    if not rest:
        return None if isinstance(value, Mapping) and head == "connection" else value
    if isinstance(value, Mapping):
        return value.get(rest[0], _MISSING)
    is_leading = head != "connection" and rest[0] == _first_of(head)
    return value if is_leading and value is not None else None


def _first_of(head: str) -> str:
    return next(one.path[1] for one in query_columns() if one.path[0] == head and len(one.path) > 1)
