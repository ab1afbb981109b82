"""Two versions side by side: what changed, grouped and in words, protected values masked for the reader."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated, Any

import orjson
from fastapi import Query, Request, Response

from api.access import allow, control_plane, current_caller
from api.pages.error_pages import page_router
from api.pages.loader_view import side_by_side
from api.pages.loaders import CRUMBS, Code
from api.pages.rendering import render
from domain.access.field_protection import MASK
from domain.loaders.definition import document_of
from domain.loaders.diff import LoaderChange, compute_diff

router = page_router()
Number = Annotated[int, Query(ge=1, le=2_000_000_000)]


@dataclass(frozen=True, slots=True)
class ChangeView:
    """One change as a row: texts of old and new, or their lines beside each other."""

    sentence: str
    path: str
    old: str | None
    new: str | None
    lines: list[tuple[str | None, str | None, bool]]


@router.get("/loaders/{code}/diff")
@allow("loaders", "read")
def show_diff(request: Request, code: Code, old: Number, new: Number) -> Response:
    """What the new version changes."""
    control = control_plane(request)
    before, after = control.loaders.get(code, old), control.loaders.get(code, new)
    effects = control.policies.effects("loaders", current_caller(request).role)
    changes = compute_diff(document_of(before.definition), document_of(after.definition), effects)
    records, _ = control.loaders.list_versions(code, limit=500)
    return render(
        request,
        "loader_diff.html",
        crumbs=[*CRUMBS, (code, f"/loaders/{code}"), (f"Version {old} and {new}", "")],
        code=code,
        before=before,
        after=after,
        groups=_group(changes),
        count=len(changes),
        versions=[(one.version, f"{one.version} · {one.state.value}") for one in records],
    )


def _group(changes: Iterable[LoaderChange]) -> list[tuple[str, list[ChangeView]]]:
    return [
        (group.value, [_view(one) for one in inner]) for group, inner in groupby(changes, key=lambda one: one.group)
    ]


def _view(change: LoaderChange) -> ChangeView:
    sentence = f"{change.sentence[:1].upper()}{change.sentence[1:]}"
    return ChangeView(sentence, change.path, _text(change.old), _text(change.new), side_by_side(change.lines))


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return "protected" if value == MASK else value
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
