"""What a version would do, before anybody approves it: a dry capture, run by a button (A6)."""

from __future__ import annotations

import orjson
from fastapi import Request, Response

from api.access import allow, control_plane
from api.pages.error_pages import page_router
from api.pages.loaders import CRUMBS, Code, Version
from api.pages.rendering import render
from domain.errors import ConflictError, EtlmonError
from resources.clock import utc_now
from resources.loaders.impact import Impact

router = page_router()


@router.get("/loaders/{code}/versions/{version}/impact")
@allow("loaders", "preview")
def show_impact(request: Request, code: Code, version: Version) -> Response:
    """What the button will do."""
    return _page(request, code, version)


@router.post("/loaders/{code}/versions/{version}/impact")
@allow("loaders", "preview")
def run_impact(request: Request, code: Code, version: Version) -> Response:
    """Ask the source once; nothing is stored, so the answer is shown at once."""
    try:
        found = control_plane(request).preview_loader(code, version, at=utc_now())
    except ConflictError as error:
        return _page(request, code, version, refusal=error)
    return _page(request, code, version, found=found)


def _page(
    request: Request,
    code: str,
    version: int,
    *,
    found: Impact | None = None,
    refusal: EtlmonError | None = None,
) -> Response:
    record = control_plane(request).loaders.get(code, version)
    back = f"/loaders/{code}/versions/{version}"
    return render(
        request,
        "loader_impact.html",
        crumbs=[*CRUMBS, (code, f"/loaders/{code}"), (f"Version {version}", back), ("Impact", "")],
        status=409 if refusal else 200,
        record=record,
        back=back,
        found=found,
        refusal=refusal,
        sample=[{name: _text(value) for name, value in row.items()} for row in found.sample] if found else [],
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, default=str).decode().strip('"')
