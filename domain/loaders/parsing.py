"""From a document that somebody sent to a definition: protected values put back, then parsed, every error naming its field.

A value that came back masked, or is missing because the role does not see it, means "unchanged". A kept secret never
follows its connection to another host: an editor could otherwise send a password he may not see to his own machine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import ValidationError

from domain.access.field_protection import MASK, Effect
from domain.errors import InputDataError
from domain.field_problems import FieldProblem, list_problems
from domain.loaders.connection_url import compute_endpoint, query_secrets, restore_query, split_userinfo
from domain.loaders.definition import LoaderDefinition

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_MISSING = object()
_KEPT_WHEN_MISSING = ("connection.password", "connection.headers")


def parse_definition(
    body: Any, *, stored: Mapping[str, Any] | None = None, effects: Mapping[str, Effect] | None = None
) -> LoaderDefinition:
    """The definition that a document means.

    Args:
        body: JSON-like, as a client, a YAML file or a workbook row has it.
        stored: document of the version it continues, secrets in clear (`document_of`); None when it begins a loader.
        effects: what the sender's role sees of loaders: hidden fields that are missing are kept.

    Raises:
        InputDataError: naming the field in the reason and in the context's `field`; `fields` lists all of them.
    """
    if not isinstance(body, Mapping):
        raise _refused([FieldProblem((), "a mapping of fields is expected", "start with `code: …`")])
    _require_storable(body)
    document = _restore_document(body, stored or {}, effects or {})
    try:
        definition = LoaderDefinition.model_validate(document)
    except ValidationError as error:
        raise _refused(list_problems(error)) from None
    _require_storable(definition.model_dump(mode="json"))
    return definition


def _refused(problems: list[FieldProblem]) -> InputDataError:
    first = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    where = f"field {first.field}: " if first.field else ""
    return InputDataError(
        f"{where}{first.message}{more}",
        suggestion=first.suggestion,
        field=first.field,
        fields=[(one.field, one.message, one.suggestion) for one in problems],
    )


def _refuse(field: str, message: str, suggestion: str) -> InputDataError:
    return _refused([FieldProblem(tuple(field.split(".")), message, suggestion)])


def _require_storable(document: Mapping[str, Any]) -> None:
    """PostgreSQL's jsonb holds no NUL, UTF-8 no lone surrogate, and JSON numbers here are 64 bits."""
    try:
        text = orjson.dumps(document, default=str)
    except (TypeError, ValueError) as error:
        raise _refused(
            [FieldProblem((), f"it is no plain JSON: {error}", "write texts, numbers, lists, mappings")]
        ) from None
    if _NUL.search(text):
        raise _refused([FieldProblem((), "a text in it has a NUL character", "remove it")])


def _restore_document(
    body: Mapping[str, Any], stored: Mapping[str, Any], effects: Mapping[str, Effect]
) -> dict[str, Any]:
    hidden = [field.split(".") for field, effect in effects.items() if effect is Effect.HIDDEN]
    kept: list[str] = []
    document: dict[str, Any] = _restore(_without_userinfo(body), stored, path=(), hidden=hidden, kept=kept)
    mine, theirs = document.get("connection"), stored.get("connection")
    if isinstance(mine, dict) and isinstance(theirs, Mapping):
        _keep_missing(mine, theirs, kept)
        _require_same_endpoint(mine, theirs, kept)
    return document


def _without_userinfo(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """A password typed into the url counts as typed."""
    connection = body.get("connection")
    if not isinstance(connection, Mapping) or not isinstance(connection.get("url"), str):
        return body
    try:
        url, username, password = split_userinfo(connection["url"])
    except ValueError:
        return body  # parsing says it
    typed = {name: value for name, value in (("username", username), ("password", password)) if value is not None}
    return {**body, "connection": {**connection, "url": url, **typed}}


def _restore(value: Any, stored: Any, *, path: tuple[str, ...], hidden: list[list[str]], kept: list[str]) -> Any:
    where = ".".join(path)
    if value == MASK:
        if stored is _MISSING or stored is None:
            raise _refuse(where, f"{MASK} stands for a value that is kept, and there is none", "type the value")
        kept.append(where)
        return stored
    if where == "connection.url" and isinstance(value, str):
        return _restore_url(value, stored, kept)
    if isinstance(value, list):
        return [
            _restore(one, _counterpart(one, index, stored), path=path, hidden=hidden, kept=kept)
            for index, one in enumerate(value)
        ]
    if not isinstance(value, Mapping):
        return value
    known = stored if isinstance(stored, Mapping) else {}
    found = {
        name: _restore(one, known.get(name, _MISSING), path=(*path, str(name)), hidden=hidden, kept=kept)
        for name, one in value.items()
    }
    for name, one in known.items():
        if name not in found and _is_hidden((*path, str(name)), hidden):
            found[name] = one
            kept.append(".".join((*path, str(name))))
    return found


def _restore_url(url: str, stored: Any, kept: list[str]) -> str:
    restored = restore_query(url, stored) if isinstance(stored, str) else url
    if MASK in restored:
        raise _refuse("connection.url", f"{MASK} stands for a value that is kept, and there is none", "type the value")
    if restored != url:
        kept.append("connection.url")
    return restored


def _counterpart(value: Any, index: int, stored: Any) -> Any:
    """The element of a stored list that an element continues: the one of the same metric, else of the same place."""
    if not isinstance(stored, list):
        return _MISSING
    if isinstance(value, Mapping) and "metric_name" in value:
        same = (one for one in stored if isinstance(one, Mapping) and one.get("metric_name") == value["metric_name"])
        return next(same, _MISSING)
    return stored[index] if index < len(stored) else _MISSING


def _is_hidden(path: tuple[str, ...], hidden: list[list[str]]) -> bool:
    return any(
        len(rule) == len(path) and all(step in (part, "*") for step, part in zip(rule, path, strict=True))
        for rule in hidden
    )


def _keep_missing(mine: dict[str, Any], theirs: Mapping[str, Any], kept: list[str]) -> None:
    for field in _KEPT_WHEN_MISSING:
        name = field.rpartition(".")[2]
        if name not in mine and theirs.get(name):
            mine[name] = theirs[name]
            kept.append(field)


def _require_same_endpoint(mine: Mapping[str, Any], theirs: Mapping[str, Any], kept: list[str]) -> None:
    url, before = mine.get("url"), theirs.get("url")
    if not isinstance(url, str) or not isinstance(before, str) or compute_endpoint(url) == compute_endpoint(before):
        return
    secret = [
        one for one in kept if one.startswith(_KEPT_WHEN_MISSING) or (one == "connection.url" and query_secrets(before))
    ]
    if secret:
        raise _refuse(
            secret[0], "a stored secret is not sent to another host", "the url changed: type the secret again"
        )
