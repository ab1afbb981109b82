"""Loaders: the list, and one version with its history and what may be done with it."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Path, Query, Request, Response

from api.access import allow, control_plane, current_caller
from api.pages.error_pages import page_router
from api.pages.loader_view import compute_next_tick, fill_hidden, list_choices, list_queries
from api.pages.rendering import Pages, render
from domain.errors import NotFoundError
from domain.loaders.lifecycle import Action
from domain.vocabulary import SourceKind, VersionState
from resources.clock import utc_now
from resources.loaders.listing import SORTS
from resources.loaders.records import VersionRecord

router = page_router()
Code = Annotated[str, Path(max_length=64)]
Version = Annotated[int, Path(ge=1, le=2_000_000_000)]
CRUMBS = [("Overview", "/"), ("Loaders", "/loaders")]
_PAGE = 100
_HIDDEN = dict.fromkeys(("title", "owner", "source", "schedule"))
_HISTORY = 500


@router.get("/loaders")
@allow("loaders", "read")
def list_loaders(
    request: Request,
    *,
    q: Annotated[str, Query(max_length=200)] = "",
    state: Annotated[str, Query(max_length=20)] = "",
    source: Annotated[str, Query(max_length=20)] = "",
    owner: Annotated[str, Query(max_length=200)] = "",
    sort: Annotated[str, Query(max_length=20)] = "code",
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> Response:
    """Search, filter, sort, page."""
    found = control_plane(request).loaders.list_loaders(
        search=q.strip(),
        state=VersionState(state) if state in set(VersionState) else None,
        source=source,
        owner=owner.strip(),
        sort=sort if sort.removeprefix("-") in SORTS else "code",
        limit=_PAGE,
        offset=offset,
    )
    rows = control_plane(request).policies.show("loaders", found.items, current_caller(request).role)
    return render(
        request,
        "loaders.html",
        crumbs=CRUMBS,
        loaders=[{**_HIDDEN, **row} for row in rows],
        board=cast("Pages", request.app.state.pages).board(request).read(),
        total=found.total,
        offset=offset,
        limit=_PAGE,
        q=q,
        state=state,
        source=source,
        owner=owner,
        sort=sort,
        sources=[one.value for one in SourceKind],
    )


@router.get("/loaders/{code}")
@allow("loaders", "read")
def show_loader(request: Request, code: Code) -> Response:
    """The version that runs; where none does, the newest."""
    records, total = control_plane(request).loaders.list_versions(code, limit=_HISTORY)
    shown = next((one for one in records if one.state is VersionState.ACTIVE), records[0])
    return _version_page(request, shown, records, total=total)


@router.get("/loaders/{code}/versions/{version}")
@allow("loaders", "read")
def show_version(request: Request, code: Code, version: Version) -> Response:
    """One version."""
    records, total = control_plane(request).loaders.list_versions(code, limit=_HISTORY)
    shown = next((one for one in records if one.version == version), None)
    if shown is None:
        raise NotFoundError(
            f"{code} has no version {version}", suggestion=f"its newest is version {records[0].version}"
        )
    return _version_page(request, shown, records, total=total)


def _version_page(request: Request, record: VersionRecord, records: list[VersionRecord], *, total: int) -> Response:
    control, me = control_plane(request), current_caller(request)
    document = control.policies.show("loaders", record.document, me.role)
    board = cast("Pages", request.app.state.pages).board(request).read()
    facts = [one.facts for one in records]
    active = next((one for one in records if one.state is VersionState.ACTIVE), None)
    compared = record.based_on or max((one.version for one in records if one.version < record.version), default=None)
    if active is not None and record.state in {VersionState.DRAFT, VersionState.PENDING}:
        compared = active.version
    return render(
        request,
        "loader.html",
        crumbs=[*CRUMBS, (record.code, f"/loaders/{record.code}"), (f"Version {record.version}", "")],
        record=record,
        records=records,
        total=total,
        shown=fill_hidden(document),
        queries=list_queries(document),
        choices=list_choices(record.facts, facts, caller=me),
        active=active,
        draft=next((one for one in records if one.state is VersionState.DRAFT), None),
        waiting=[one for one in records if one.state is VersionState.PENDING],
        compared=compared,
        next_tick=compute_next_tick(record.definition.schedule, utc_now()),
        edit_action=Action.EDIT,
        board=board,
        mark=board.loaders.get(record.code),
    )
