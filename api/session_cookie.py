"""The cookie of browsers: it holds the access token, so that it lasts and ends as one does."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

NAME = "etlmon_session"


def set_session_cookie(request: Request, response: Response, access_token: str, *, max_age_s: int) -> None:
    """Out of reach of scripts and of other sites; over TLS only where we are reached by TLS."""
    response.set_cookie(
        NAME, access_token, max_age=max_age_s, path="/", httponly=True, samesite="lax", secure=is_over_tls(request)
    )


def clear_session_cookie(request: Request, response: Response) -> None:
    """Tell the browser to forget it."""
    response.delete_cookie(NAME, path="/", httponly=True, samesite="lax", secure=is_over_tls(request))


def is_over_tls(request: Request) -> bool:
    """Whether browsers reach us by https: directly, or by the address the settings say."""
    public_url: str | None = request.app.state.control_plane.settings.public_url
    return request.url.scheme == "https" or (public_url or "").startswith("https://")
