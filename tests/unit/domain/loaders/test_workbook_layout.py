"""No field of a definition is without a column, no column without words."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from domain.loaders.definition import Connection, LoaderDefinition, MetricLimit
from domain.loaders.workbook_layout import CellKind, loader_columns, query_columns, query_models
from resources.workbook.writing import describe_column

pytestmark = pytest.mark.requirement("A8")

SPREAD: dict[str, type[BaseModel]] = {"connection": Connection, "limit": MetricLimit}


def _paths(model: type[BaseModel], *, without: frozenset[str] = frozenset()) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for name in model.model_fields.keys() - without:
        inner = SPREAD.get(name)
        found |= {(name, one) for one in inner.model_fields} if inner else {(name,)}
    return found


def test_every_field_of_a_loader_has_a_column() -> None:
    queries = frozenset(query_models())
    assert queries == {"prometheus", "elasticsearch", "log_lines", "sql", "push"}
    expected = _paths(LoaderDefinition, without=queries) | {("connection",)}
    assert {one.path for one in loader_columns()} == expected


def test_every_field_of_every_query_has_a_column_that_names_its_kinds() -> None:
    by_path = {one.path: one for one in query_columns()}
    for kind, model in query_models().items():
        for path in _paths(model):
            assert kind in by_path[path].queries, (kind, path)
    assert by_path.keys() - {("code",), ("query_kind",)} == {
        path for model in query_models().values() for path in _paths(model)
    }


def test_a_column_that_several_kinds_of_query_share_means_the_same_in_each() -> None:
    for column in query_columns():
        fields: list[Any] = [query_models()[kind].model_fields.get(column.path[-1]) for kind in column.queries]
        defaults = [one.get_default(call_default_factory=True) for one in fields if one is not None]
        assert all(one == defaults[0] for one in defaults), column.header


@pytest.mark.parametrize("column", [*loader_columns(), *query_columns()], ids=lambda one: one.header)
def test_every_column_says_what_it_is(column: Any) -> None:
    assert column.meaning, f"write what {column.header} means in workbook_texts"
    note = describe_column(column)
    assert column.meaning in note
    assert "Required" in note or "Empty means" in note
    if column.kind is CellKind.CHOICE:
        assert column.choices


def test_headers_are_unique_and_no_more_than_a_sheet_takes() -> None:
    for columns in (loader_columns(), query_columns()):
        headers = [one.header for one in columns]
        assert len(set(headers)) == len(headers) < 100
