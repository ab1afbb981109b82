"""Login by an identity provider: the browser leaves for it and comes back with a code (A1). 404 where none is configured."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Cookie, Depends, Query, Request
from fastapi.responses import RedirectResponse

from api.access import public
from api.client_address import visitor_of
from api.routes.auth import Control
from api.session_cookie import is_over_tls, set_session_cookie
from domain.errors import NotAuthenticatedError
from resources.access.login_audit import Visitor

router = APIRouter(prefix="/api/v1/auth/oidc", tags=["auth"])
_COOKIE = "etlmon_oidc"
_PATH = "/api/v1/auth/oidc"
_REDIRECT: dict[int | str, dict[str, Any]] = {
    303: {"description": "go there", "headers": {"Location": {"schema": {"type": "string"}}}}
}
Text = Annotated[str, Query(max_length=2000)]


@router.get("/start", status_code=303, response_class=RedirectResponse, responses=_REDIRECT)
@public
def start(
    request: Request,
    control: Control,
    next: Annotated[str, Query(max_length=1000)] = "/",  # noqa: A002 - the name in the address
) -> RedirectResponse:
    """Send the browser to the provider. `next`: a path of this server to come back to."""
    departure = control.oidc.depart(next)
    response = RedirectResponse(departure.url, status_code=303)
    response.set_cookie(
        _COOKIE, departure.cookie, max_age=600, path=_PATH, httponly=True, samesite="lax", secure=is_over_tls(request)
    )
    return response


@router.get("/callback", status_code=303, response_class=RedirectResponse, responses=_REDIRECT)
@public
def come_back(
    request: Request,
    control: Control,
    *,
    visitor: Annotated[Visitor, Depends(visitor_of)],
    state: Text = "",
    code: Text = "",
    iss: Text | None = None,
    etlmon_oidc: Annotated[str, Cookie(max_length=4096)] = "",
) -> RedirectResponse:
    """The provider sent the browser back: a session begins, its cookie is set."""
    if not code:
        raise NotAuthenticatedError("the identity provider gave no code", suggestion="begin again at /login")
    logged_in, path = control.oidc.arrive(etlmon_oidc, state=state, code=code, issuer=iss, visitor=visitor)
    response = RedirectResponse(path, status_code=303)
    set_session_cookie(request, response, logged_in.access_token, max_age_s=logged_in.expires_in_s)
    response.delete_cookie(_COOKIE, path=_PATH)
    return response
