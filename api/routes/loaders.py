"""/api/v1/loaders: list, make, read and edit loaders and their versions (A6). Decisions are in `loader_decisions`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query, Response

from api.access import allow
from api.routes.auth import Asking, Control
from api.routes.loader_answers import (
    Code,
    DefinitionBody,
    DraftBody,
    IfMatch,
    LoaderList,
    LoaderSummary,
    Version,
    VersionAnswer,
    VersionList,
    answer_version,
    require_revision,
    send_version,
)
from api.wire import Limit, Offset
from domain.errors import InputDataError
from domain.vocabulary import SourceKind, VersionState
from resources.loaders.listing import protect_summaries

router = APIRouter(prefix="/api/v1/loaders", tags=["loaders"])

_Text = Query(max_length=200, pattern=r"^[^\x00]*$")
Sort = Literal[
    "code", "-code", "title", "-title", "owner", "-owner", "source", "-source", "state", "-state",
    "updated_at", "-updated_at", "newest_version", "-newest_version",
]  # fmt: skip


@router.get("", response_model=LoaderList)
@allow("loaders", "read")
def list_loaders(
    control: Control,
    caller: Asking,
    *,
    search: Annotated[str, _Text] = "",
    state: VersionState | None = None,
    source: SourceKind | None = None,
    owner: Annotated[str, _Text] = "",
    has_pending: bool | None = None,
    sort: Sort = "code",
    limit: Limit = 100,
    offset: Offset = 0,
) -> Response:
    """Loaders by code, with their versions in numbers. `search` looks into code and title; `state` for a version in that state."""
    page = control.loaders.list_loaders(
        search=search,
        state=state,
        source=source.value if source else "",
        owner=owner,
        has_pending=has_pending,
        sort=sort,
        limit=limit,
        offset=offset,
    )
    shown = protect_summaries(page.items, control.policies.effects("loaders", caller.role))
    body = {"items": [_camel(one) for one in shown], "total": page.total}
    return Response(orjson.dumps(body, option=orjson.OPT_UTC_Z), media_type="application/json")


@router.post("", status_code=201)
@allow("loaders", "edit")
def create_loader(body: DefinitionBody, response: Response, control: Control, caller: Asking) -> VersionAnswer:
    """A new loader with its first DRAFT. It captures nothing before somebody else has approved it."""
    record = control.loaders.create_draft(body.definition, caller=caller, is_new_loader=True)
    return send_version(record, response, control=control, caller=caller)


@router.get("/{code}", response_model=LoaderSummary)
@allow("loaders", "read")
def read_loader(code: Code, control: Control, caller: Asking) -> Response:
    """One loader as in the list."""
    shown = control.policies.show("loaders", control.loaders.get_summary(code), caller.role)
    return Response(orjson.dumps(_camel(shown), option=orjson.OPT_UTC_Z), media_type="application/json")


@router.get("/{code}/versions")
@allow("loaders", "read")
def list_versions(code: Code, control: Control, caller: Asking, limit: Limit = 50, offset: Offset = 0) -> VersionList:
    """Its versions, the newest first."""
    records, total = control.loaders.list_versions(code, limit=limit, offset=offset)
    return VersionList(items=[answer_version(one, control, caller) for one in records], total=total)


@router.post("/{code}/drafts", status_code=201)
@allow("loaders", "edit")
def create_draft(code: Code, body: DraftBody, response: Response, control: Control, caller: Asking) -> VersionAnswer:
    """A DRAFT from any version: a copy, or another definition whose masked values come from it."""
    if body.definition is None:
        record = control.loaders.copy_draft(code, caller=caller, based_on=body.based_on)
    else:
        _require_code(body.definition, code)
        record = control.loaders.create_draft({**body.definition, "code": code}, caller=caller, based_on=body.based_on)
    return send_version(record, response, control=control, caller=caller)


@router.get("/{code}/versions/{version}")
@allow("loaders", "read")
def read_version(code: Code, version: Version, response: Response, control: Control, caller: Asking) -> VersionAnswer:
    """One version, with its ETag."""
    return send_version(control.loaders.get(code, version), response, control=control, caller=caller)


@router.put("/{code}/versions/{version}")
@allow("loaders", "edit")
def edit_version(
    code: Code,
    version: Version,
    *,
    body: DefinitionBody,
    response: Response,
    control: Control,
    caller: Asking,
    if_match: IfMatch = None,
) -> VersionAnswer:
    """Replace the content of a DRAFT, or of a PENDING version, which becomes a DRAFT again. Needs `If-Match`."""
    revision = require_revision(if_match, code, version)
    record = control.loaders.edit(code, version, body.definition, caller=caller, revision=revision)
    return send_version(record, response, control=control, caller=caller)


_CAMEL = {name: field.alias or name for name, field in LoaderSummary.model_fields.items()}


def _camel(row: dict[str, Any]) -> dict[str, Any]:
    """Without a model: this is the hot path of 5,000 loaders."""
    return {alias: row[name] for name, alias in _CAMEL.items() if name in row}


def _require_code(definition: dict[str, Any], code: str) -> None:
    if definition.get("code", code) != code:
        raise InputDataError(
            f"field code: the path says {code}", suggestion="a code never changes; make a new loader", field="code"
        )
