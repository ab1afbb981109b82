"""Requests that a foreign page makes a browser send: refused by origin and by a token that only our pages know.

Concerns callers known by their cookie alone; who sends `Authorization` does so on purpose.
"""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from starlette.requests import Request

from domain.access.permissions import Caller
from domain.errors import NotPermittedError

HEADER = "X-CSRF-Token"
FIELD = "csrf_token"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


async def check_csrf(request: Request, caller: Caller) -> None:
    """Pass requests that change nothing, that bear a token of their own, or that come from our own page.

    Raises:
        NotPermittedError: foreign origin; token missing or of another session.
    """
    if request.method in _SAFE or not getattr(request.state, "is_by_cookie", False):
        return
    require_same_origin(request)
    given = request.headers.get(HEADER) or await _read_field(request)
    expected = request.app.state.control_plane.csrf_token_of(caller)
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise NotPermittedError(
            "the form is of another session or too old", suggestion=f"load the page again (scripts: send {HEADER})"
        )


def require_same_origin(request: Request) -> None:
    """Refuse what another site's page sends; for the login form too. Clients that are no browsers send neither header.

    Raises:
        NotPermittedError: Sec-Fetch-Site or Origin says so.
    """
    public_url = request.app.state.control_plane.settings.public_url or ""
    ours = {request.headers.get("host", "").lower(), urlsplit(public_url).netloc.lower()} - {""}
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    is_foreign = site not in (None, "same-origin", "none")
    if is_foreign or (origin is not None and _netloc(origin) not in ours):
        raise NotPermittedError("this was sent by a page of another site", suggestion="use the pages of this server")


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


async def _read_field(request: Request) -> str:
    if not request.headers.get("content-type", "").startswith(_FORMS):
        return ""
    value = (await request.form()).get(FIELD)
    return value if isinstance(value, str) else ""
