"""Which resources and fields a policy may name: a typo must not leave a secret in the open."""

from __future__ import annotations

import difflib
import re
from typing import Any, get_args

from pydantic import BaseModel

from domain.errors import InputDataError
from domain.loaders.definition import LoaderDefinition

_FIELD = re.compile(r"^(?:[A-Za-z_][A-Za-z0-9_-]{0,63}|\*)(?:\.(?:[A-Za-z_][A-Za-z0-9_-]{0,63}|\*)){0,7}$")

#: Resources whose documents pass through the policies wherever they are shown: answers, pages, exports, imports, diffs, audit.
_MODELS: dict[str, type[BaseModel]] = {"loaders": LoaderDefinition}
PROTECTED = frozenset(_MODELS)
#: Without these no list, page or link works: they are shown to everybody who may read the resource.
_NEVER_HIDDEN: dict[str, frozenset[str]] = {"loaders": frozenset({"code", "source", "*"})}


def check_field(resource: str, field: str) -> None:
    """Make sure that a policy on this field can have an effect.

    Raises:
        InputDataError: the resource is not one of `PROTECTED`, the path is malformed, no document of the resource has it, or
            everything that is built on it would break.
    """
    if resource not in PROTECTED:
        raise InputDataError(
            f"a field policy has no effect on {resource!r}",
            suggestion=f"resources that can be protected: {', '.join(sorted(PROTECTED))}",
        )
    if not _FIELD.match(field):
        raise InputDataError(
            f"{field!r} is no field path",
            suggestion="write names joined by dots, `*` for any one: connection.headers.*",
        )
    if field in _NEVER_HIDDEN[resource]:
        raise InputDataError(
            f"{field} of {resource} names the document itself and is always visible",
            suggestion="protect the fields below it, or take the permission to read away",
        )
    _check_path(_MODELS[resource], field.split("."), field)


def _check_path(model: type[BaseModel], steps: list[str], field: str) -> None:
    models: list[type[BaseModel]] = [model]
    for depth, step in enumerate(steps):
        names = {name for one in models for name in one.model_fields}
        if step != "*" and step not in names:
            near = difflib.get_close_matches(step, names, n=1)
            raise InputDataError(
                f"{field}: there is no field {step!r}",
                suggestion=f"did you mean {near[0]!r}?" if near else f"one of: {', '.join(sorted(names))}",
            )
        kinds = [
            one.model_fields[name].annotation for one in models for name in one.model_fields if step in ("*", name)
        ]
        models = [found for kind in kinds for found in _models_in(kind)]
        if not models:
            _check_leaf(kinds, rest=len(steps) - depth - 1, field=field)
            return


def _check_leaf(kinds: list[Any], *, rest: int, field: str) -> None:
    """Below a free mapping (headers, query DSL) any name may stand; below a scalar none."""
    if rest and not any("dict" in str(kind) for kind in kinds):
        raise InputDataError(f"{field}: nothing stands below that field", suggestion="leave the last step away")


def _models_in(kind: Any) -> list[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    return [found for inner in get_args(kind) for found in _models_in(inner)]
