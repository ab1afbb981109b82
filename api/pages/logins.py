"""The login audit: every attempt to get in, with filters (A3)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response

from api.access import allow, control_plane
from api.pages.error_pages import page_router
from api.pages.rendering import render

router = page_router()
_PAGE = 100


@router.get("/logins")
@allow("login-audit", "read")
def list_logins(
    request: Request,
    username: Annotated[str, Query(max_length=128)] = "",
    outcome: Annotated[str, Query(max_length=64)] = "",
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> Response:
    """Newest first."""
    attempts, total = control_plane(request).login_audit.list_attempts(
        limit=_PAGE, offset=offset, username=username.strip() or None, outcome=outcome.strip() or None
    )
    return render(
        request,
        "logins.html",
        crumbs=[("Overview", "/"), ("Logins", "/logins")],
        attempts=attempts,
        total=total,
        offset=offset,
        limit=_PAGE,
        username=username,
        outcome=outcome,
    )
