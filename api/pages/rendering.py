"""From a template and its facts to a page: the Jinja environment, and what every page knows (reader, navigation, theme, token)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from api.access import control_plane
from api.pages import shown
from api.pages.code_colours import colour_code
from api.pages.flashes import COOKIE, Flash, read_flash, write_flash
from api.pages.navigation import is_current, list_navigation
from api.pages.static_files import StaticFiles
from domain.access.field_protection import MASK
from domain.access.permissions import Caller
from resources.capture.standing_board import StandingBoard
from resources.clock import utc_now
from resources.json_logs import current_correlation_id

if TYPE_CHECKING:
    from resources.control_plane import ControlPlane

THEMES = ("light", "dark", "auto")
Crumb = tuple[str, str]
#: With `no-referrer` browsers would send `Origin: null` with our own forms, which the check against foreign ones refuses.
_HEADERS = {"Cache-Control": "no-store", "Vary": "Cookie", "Referrer-Policy": "same-origin"}


class Pages:
    """Templates and static files of one process."""

    def __init__(self) -> None:
        self.static = StaticFiles()
        self.version = version("etlmon")
        self.templates = make_environment(self.static)
        self._board: StandingBoard | None = None

    def board(self, request: Request) -> StandingBoard:
        """What is captured how far; over the lake that readiness keeps open."""
        if self._board is None:
            self._board = StandingBoard(request.app.state.readiness.lake)
        return self._board


def make_environment(static: StaticFiles) -> Environment:
    """Templates with everything escaped; an unknown name is an error, not an empty text."""
    environment = Environment(
        loader=PackageLoader("api.pages", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(static=static.address, mask=MASK)
    environment.filters.update(
        exact=shown.show_exact,
        iso=shown.show_iso,
        ago=lambda instant: shown.show_ago(instant, now=utc_now()),
        number=shown.show_number,
        duration=shown.show_duration,
        coloured=colour_code,
        schedule=shown.show_schedule,
        quoted=lambda text: quote(str(text), safe=""),
    )
    return environment


def render(
    request: Request, template: str, *, crumbs: Sequence[Crumb] = (), status: int = 200, **facts: Any
) -> HTMLResponse:
    """The page, never kept by a cache. A waiting message is shown and forgotten."""
    pages = cast("Pages", request.app.state.pages)
    control = control_plane(request)
    flash = facts.pop("flash", None) or read_flash(request, cipher=control.cipher)
    known = {**_reader(request, control), "flash": flash, "crumbs": crumbs, **facts}
    body = pages.templates.get_template(template).render(known, version=pages.version)
    response = HTMLResponse(body, status_code=status, headers=_HEADERS)
    if COOKIE in request.cookies:
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


def go(request: Request, to: str, flash: Flash | None = None) -> RedirectResponse:
    """303 to another page after a change, with a message for it."""
    response = RedirectResponse(to, status_code=303)
    if flash is not None:
        write_flash(response, request, flash, cipher=control_plane(request).cipher)
    return response


def _reader(request: Request, control: ControlPlane) -> dict[str, Any]:
    me = cast("Caller | None", getattr(request.state, "caller", None))
    theme = request.cookies.get("etlmon_theme", "auto")
    path = request.url.path
    return {
        "me": me,
        "can": me.may if me else lambda _resource, _action: False,
        "navigation": list_navigation(me) if me else [],
        "is_current": partial(is_current, path=path),
        "path": path,
        "here": f"{path}?{request.url.query}" if request.url.query else path,
        "with_query": _query_writer(request),
        "theme": theme if theme in THEMES else "auto",
        "keys_on": request.cookies.get("etlmon_keys") != "off",
        "csrf_token": control.csrf_token_of(me) if me else "",
        "environment": control.settings.environment,
        "correlation_id": current_correlation_id(),
        "now": utc_now(),
    }


def _query_writer(request: Request) -> Callable[..., str]:
    """A function that writes this page's address with some parameters changed; None removes one."""

    def write(**changes: Any) -> str:
        merged = {**dict(request.query_params), **{name: value for name, value in changes.items() if value is not None}}
        kept = {name: value for name, value in merged.items() if name not in changes or changes[name] is not None}
        return f"{request.url.path}?{urlencode(kept)}" if kept else request.url.path

    return write
