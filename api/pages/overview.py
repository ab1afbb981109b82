"""The first page: what runs, what is behind, what waits for me."""

from __future__ import annotations

from fastapi import Request, Response

from api.access import allow
from api.pages.error_pages import page_router
from api.pages.rendering import render

router = page_router()


@router.get("/")
@allow("platform", "read")
def show_overview(request: Request) -> Response:
    """The state of the installation."""
    return render(request, "overview.html", crumbs=[("Overview", "/")])
