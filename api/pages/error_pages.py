"""Errors for people: a page with reason, suggestion and correlation id, where the API answers a problem document.

Who asks for /api, or does not accept HTML, gets what `api.problems` says; a page that needs a login leads to it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast
from urllib.parse import urlencode

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from api.pages.flashes import Flash
from api.pages.rendering import go, render
from api.problems import problem_of_defect
from domain.access.permissions import Caller
from domain.errors import EtlmonError

Handler = Callable[[Request, Any], Awaitable[Response]]
_TITLES = {
    400: "The request is malformed",
    403: "You may not do this",
    404: "Nothing here",
    405: "Not possible here",
    409: "That collides with the present state",
    412: "Somebody was faster",
    413: "That is too much",
    422: "Something is wrong with what was sent",
    429: "Too many requests",
    503: "Not available at the moment",
}
#: Paths of the API that a person comes to in the browser.
_OIDC = "/api/v1/auth/oidc/"
_FAILED = "Something went wrong on our side"


def install_error_pages(app: FastAPI) -> None:
    """Put a page in front of each problem handler, for browsers that asked for a page. After `install_problem_handlers`."""
    for kind in (EtlmonError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _for_people(cast("Handler", app.exception_handlers[kind])))


class PageRoute(APIRoute):
    """A route whose defects are shown as a page too; the log has the stack trace."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See `APIRoute`."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except (EtlmonError, RequestValidationError, HTTPException):
                raise
            except Exception as error:
                if not is_for_people(request):
                    raise
                return await run_in_threadpool(_render, request, error, problem_of_defect(error))

        return handle


def page_router() -> APIRouter:
    """A router of pages: not part of the OpenAPI document."""
    return APIRouter(include_in_schema=False, route_class=PageRoute)


def is_for_people(request: Request) -> bool:
    """Whether the answer will be read in a browser."""
    accepts_html = "text/html" in request.headers.get("accept", "")
    path = request.url.path
    return accepts_html and (path.startswith(_OIDC) or not path.startswith(("/api/", "/static/")))


def _for_people(machine: Handler) -> Handler:
    async def handle(request: Request, error: Exception) -> Response:
        answer = await machine(request, error)
        if not is_for_people(request):
            return answer
        caller = cast("Caller | None", getattr(request.state, "caller", None))
        if request.url.path.startswith(_OIDC) and isinstance(error, EtlmonError):
            return go(request, "/login", Flash("Single sign-on did not work", error.reason, kind="bad"))
        if answer.status_code == 401:
            return RedirectResponse(_login_address(request), status_code=303)
        if answer.status_code == 403 and caller is not None and caller.has_to_change_password:
            return RedirectResponse("/account/password", status_code=303)
        return await run_in_threadpool(_render, request, error, answer)

    return handle


def _login_address(request: Request) -> str:
    """The login page, leading back here where here can be read again."""
    query = f"?{request.url.query}" if request.url.query else ""
    here = f"{request.url.path}{query}"
    return "/login" if request.method != "GET" or here == "/" else f"/login?{urlencode({'next': here})}"


def _render(request: Request, error: Exception, answer: Response) -> Response:
    status = answer.status_code
    ours = error if isinstance(error, EtlmonError) else None
    page = render(
        request,
        "error.html",
        status=status,
        title=_TITLES.get(status, _FAILED),
        number=status,
        reason=ours.reason if ours else _reason(status, request),
        suggestion=ours.suggestion if ours else "Go back and try again; if it stays so, report it with the id below.",
        retry_after=answer.headers.get("retry-after"),
        crumbs=[("Overview", "/"), (_TITLES.get(status, _FAILED), "")],
    )
    for name in ("retry-after", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"):
        if name in answer.headers:
            page.headers[name] = answer.headers[name]
    return page


def _reason(status: int, request: Request) -> str:
    if status == 404:
        return f"There is no page {request.url.path}."
    if status == 405:
        return f"{request.url.path} is only reached through a form."
    return (
        "The request could not be understood."
        if status < 500
        else "An unexpected failure; it is in the log under this id."
    )
