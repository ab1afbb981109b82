"""The first page: what runs, what is behind, what waits for me. Where there is nothing it says so."""

from __future__ import annotations

from typing import cast

from fastapi import Request, Response

from api.access import allow, control_plane, current_caller
from api.pages.error_pages import page_router
from api.pages.loader_view import list_choices
from api.pages.rendering import Pages, render
from domain.access.permissions import Caller
from domain.loaders.lifecycle import Action
from domain.vocabulary import VersionState
from resources.incidents.listing import count_incidents
from resources.loaders.records import VersionRecord
from resources.loaders.versions import LoaderVersions
from resources.postgres.engine import reading
from resources.readiness import Readiness

router = page_router()
_MOST_WAITING = 20


@router.get("/")
@allow("platform", "read")
def show_overview(request: Request) -> Response:
    """The state of the installation."""
    control, me = control_plane(request), current_caller(request)
    board = cast("Pages", request.app.state.pages).board(request).read()
    active = control.loaders.list_loaders(state=VersionState.ACTIVE, limit=500)
    behind = [row for row in active.items if (mark := board.loaders.get(row["code"])) and mark.is_behind]
    readiness = cast("Readiness", request.app.state.readiness)
    with reading(control.engine) as connection:
        incidents = count_incidents(connection)
    return render(
        request,
        "overview.html",
        incidents=incidents,
        crumbs=[("Overview", "/")],
        active=active.total,
        drafts=control.loaders.list_loaders(state=VersionState.DRAFT, limit=1).total,
        waiting=_list_waiting(control.loaders, me),
        waiting_total=control.loaders.list_loaders(has_pending=True, limit=1).total,
        never=sum(row["code"] not in board.loaders for row in active.items),
        behind=behind,
        board=board,
        report=readiness.report(),
        ui=f"http://{request.url.hostname}:{control.settings.ui_port}/",
    )


def _list_waiting(loaders: LoaderVersions, me: Caller) -> list[tuple[VersionRecord, str]]:
    """Versions that wait, with the reason why this reader cannot approve them, empty where he can; those first."""
    rows = loaders.list_loaders(has_pending=True, sort="updated_at", limit=_MOST_WAITING).items
    found = []
    for code in (row["code"] for row in rows):
        records, _ = loaders.list_versions(code, limit=500)
        facts = [one.facts for one in records]
        for record in records:
            if record.state is VersionState.PENDING:
                choices = list_choices(record.facts, facts, caller=me)
                found.append((record, next(one.why_not for one in choices if one.action is Action.APPROVE)))
    return sorted(found, key=lambda one: bool(one[1]))
