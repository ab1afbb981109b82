"""The layout of a loaders workbook: sheets and columns, derived from the models so that no new field can be forgotten (A8).

Reading and writing cells is in `workbook_cells`, rows in `workbook_rows`, files in `resources.workbook`.
"""

from __future__ import annotations

import types
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from domain.loaders.definition import Connection, LoaderDefinition, MetricLimit
from domain.loaders.workbook_texts import EXAMPLES, MEANINGS, UNITS

LAYOUT_VERSION = 1
LOADERS_SHEET, QUERIES_SHEET, GUIDE_SHEET = "Loaders", "Queries", "Guide"
#: Objects that are spread over columns of their own.
_SPREAD: dict[str, type[BaseModel]] = {"connection": Connection, "limit": MetricLimit}
_NAMES = frozenset({"code", "metric_name"})


class CellKind(StrEnum):
    """What a cell of a column holds."""

    TEXT = "text"
    NAME = "name"  # a text without blanks at its ends
    NUMBER = "number"
    INTEGER = "whole number"
    BOOLEAN = "yes or no"
    CHOICE = "one of a list"
    LABELS = "list of names"
    JSON = "JSON object"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `path` leads to the value in the document; `queries` names the kinds of query that it belongs to."""

    header: str
    path: tuple[str, ...]
    kind: CellKind
    default: Any = None
    is_required: bool = False
    choices: tuple[str, ...] = ()
    description: str = ""
    queries: tuple[str, ...] = ()

    @property
    def meaning(self) -> str:
        """What it is for."""
        return self.description or MEANINGS.get(self.header, "")

    @property
    def example(self) -> str:
        """A value as somebody would write it; empty where the default says enough."""
        return EXAMPLES.get(self.header, "")

    @property
    def unit(self) -> str:
        """Unit by the ending of the name; empty for what has none."""
        _, _, ending = self.path[-1].rpartition("_")
        return UNITS.get(ending, "") if self.kind in {CellKind.NUMBER, CellKind.INTEGER} else ""


@cache
def query_models() -> dict[str, type[BaseModel]]:
    """List of the definition → model of its queries, in the order of the definition."""
    return {
        name: model
        for name, field in LoaderDefinition.model_fields.items()
        if (model := _listed_model(field.annotation)) is not None
    }


@cache
def loader_columns() -> tuple[Column, ...]:
    """Columns of the sheet Loaders, in the order of `LoaderDefinition`."""
    fields = {name: one for name, one in LoaderDefinition.model_fields.items() if name not in query_models()}
    return tuple(column for name, one in fields.items() for column in _columns_of(name, one))


@cache
def query_columns() -> tuple[Column, ...]:
    """Columns of the sheet Queries: code, kind, then the fields of every query model, each named once."""
    models = query_models()
    by_header: dict[str, tuple[Column, tuple[str, ...]]] = {}
    for kind, model in models.items():
        for name, one in model.model_fields.items():
            for column in _columns_of(name, one):
                _, kinds = by_header.get(column.header, (column, ()))
                by_header[column.header] = (by_header.get(column.header, (column, ()))[0], (*kinds, kind))
    code = Column("code", ("code",), CellKind.NAME, is_required=True)
    kind_column = Column("query_kind", ("query_kind",), CellKind.CHOICE, is_required=True, choices=tuple(models))
    return (code, kind_column, *(_with_queries(column, kinds) for column, kinds in by_header.values()))


def _with_queries(column: Column, kinds: tuple[str, ...]) -> Column:
    return Column(
        column.header,
        column.path,
        column.kind,
        column.default,
        column.is_required,
        column.choices,
        column.description,
        queries=kinds,
    )


def _columns_of(name: str, field: FieldInfo) -> list[Column]:
    columns: list[Column] = []
    annotations = _alternatives(field.annotation)
    spread = _SPREAD.get(name)
    if spread is None or str in annotations:  # a connection may be a name
        plain = [one for one in annotations if one is not spread]
        columns.append(_column((name,), field, plain))
    if spread is not None:
        columns += [
            _column((name, inner), one, _alternatives(one.annotation)) for inner, one in spread.model_fields.items()
        ]
    return columns


def _column(path: tuple[str, ...], field: FieldInfo, annotations: list[Any]) -> Column:
    kind, choices = _kind_of(path, annotations)
    is_required = field.is_required() and len(path) == 1 and path[0] not in _SPREAD
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    return Column(
        ".".join(path),
        path,
        kind,
        default=default.value if isinstance(default, Enum) else default,
        is_required=is_required,
        choices=choices,
        description=field.description or "",
    )


def _kind_of(path: tuple[str, ...], annotations: list[Any]) -> tuple[CellKind, tuple[str, ...]]:
    if len(annotations) != 1:
        raise TypeError(f"{'.'.join(path)}: a union has no column; spread it in workbook_layout")
    annotation = annotations[0]
    if get_origin(annotation) is Literal:
        return CellKind.CHOICE, tuple(map(str, get_args(annotation)))
    if get_origin(annotation) is list and get_args(annotation) == (str,):
        return CellKind.LABELS, ()
    if get_origin(annotation) is dict:
        return CellKind.JSON, ()
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return CellKind.CHOICE, tuple(str(one.value) for one in annotation)
    simple = {bool: CellKind.BOOLEAN, int: CellKind.INTEGER, float: CellKind.NUMBER, SecretStr: CellKind.TEXT}
    if annotation is str:
        return (CellKind.NAME if path[-1] in _NAMES else CellKind.TEXT), ()
    if annotation not in simple:
        raise TypeError(f"{'.'.join(path)}: {annotation!r} has no column; teach workbook_layout how to write it")
    return simple[annotation], ()


def _alternatives(annotation: Any) -> list[Any]:
    """The types a value may have, None left out, annotations taken off."""
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [one for part in get_args(annotation) if part is not type(None) for one in _alternatives(part)]
    return [annotation]


def _listed_model(annotation: Any) -> type[BaseModel] | None:
    inner = get_args(annotation)
    is_list = get_origin(annotation) is list and inner and isinstance(inner[0], type)
    return inner[0] if is_list and issubclass(inner[0], BaseModel) else None
