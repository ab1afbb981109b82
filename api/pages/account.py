"""Who I am: login, logout, my password, my sessions, theme and keyboard. The only pages that need no role."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from api.access import allow, control_plane, current_caller, public
from api.client_address import visitor_of
from api.csrf import require_same_origin
from api.pages.error_pages import page_router
from api.pages.flashes import Flash
from api.pages.posted import Posted
from api.pages.rendering import THEMES, go, render
from api.session_cookie import clear_session_cookie, is_over_tls, set_session_cookie
from domain.access.passwords import MAX_LENGTH, MIN_LENGTH
from domain.access.return_path import parse_return_path
from domain.errors import ConflictError, EtlmonError, InputDataError, NotAuthenticatedError, RateLimitedError

router = page_router()
_YEAR_S = 365 * 86_400
_OURS = [("Overview", "/"), ("My account", "/account")]


@router.get("/login")
@public
def show_login(request: Request, next: str = "/") -> Response:  # noqa: A002 - the name in the address
    """The form; who is logged in goes on."""
    if request.state.caller is not None:
        return RedirectResponse(parse_return_path(next), status_code=303)
    return _login_page(request, next_path=parse_return_path(next))


@router.post("/login")
@public
def log_in(request: Request, form: Posted) -> Response:
    """One answer to every failure; on success back to where the reader wanted to be."""
    require_same_origin(request)
    next_path, visitor = parse_return_path(form.text("next")), visitor_of(request)
    try:
        logged_in = control_plane(request).login.with_password(
            form.text("username"), form.text("password", is_trimmed=False), ip=visitor.ip, user_agent=visitor.user_agent
        )
    except (NotAuthenticatedError, RateLimitedError) as error:
        status = 429 if isinstance(error, RateLimitedError) else 401
        return _login_page(
            request, next_path=next_path, username=form.text("username")[:64], error=error, status=status
        )
    to = "/account/password" if logged_in.caller.has_to_change_password else next_path
    response = RedirectResponse(to, status_code=303)
    set_session_cookie(request, response, logged_in.access_token, max_age_s=logged_in.expires_in_s)
    return response


@router.post("/logout")
@allow("session", "own")
def log_out(request: Request) -> Response:
    """End the session everywhere and forget the cookie."""
    visitor = visitor_of(request)
    control_plane(request).login.log_out(current_caller(request), ip=visitor.ip, user_agent=visitor.user_agent)
    response = go(request, "/login", Flash("You are logged out"))
    clear_session_cookie(request, response)
    return response


@router.get("/account")
@allow("session", "own")
def show_account(request: Request) -> Response:
    """Who I am and where I am logged in."""
    me = current_caller(request)
    control = control_plane(request)
    return render(
        request,
        "account.html",
        crumbs=_OURS,
        sessions=control.sessions.list_open(me.username),
        user=control.users.read(me.username) if me.session_id else None,
    )


@router.get("/account/password")
@allow("session", "own")
def show_password_form(request: Request) -> Response:
    """The form to change my password; the only page of somebody who has to."""
    return _password_page(request)


@router.post("/account/password")
@allow("session", "own")
def change_password(request: Request, form: Posted) -> Response:
    """Change it; all my other sessions end."""
    me, visitor = current_caller(request), visitor_of(request)
    wanted = form.text("wanted", is_trimmed=False)
    try:
        _require_same(wanted, form.text("again", is_trimmed=False))
        control_plane(request).login.change_password(
            me, form.text("present", is_trimmed=False), wanted, ip=visitor.ip, user_agent=visitor.user_agent
        )
    except NotAuthenticatedError:
        wrong = NotAuthenticatedError("the present password is wrong", suggestion="type it again")
        return _password_page(request, error=wrong, wrong_field="present", status=422)
    except (InputDataError, ConflictError, RateLimitedError) as error:
        return _password_page(request, error=error, wrong_field="wanted", status=422)
    to = "/" if me.has_to_change_password else "/account"
    return go(request, to, Flash("Your password is changed", "All your other sessions have ended."))


@router.post("/account/sessions/{session_id}/end")
@allow("session", "own")
def end_session(request: Request, session_id: str) -> Response:
    """Log one of my browsers out."""
    ended = control_plane(request).login.end_own_session(current_caller(request), session_id)
    return go(request, "/account", Flash("The session has ended" if ended else "That session had ended already"))


@router.post("/theme")
@public
def set_theme(request: Request, form: Posted) -> Response:
    """Remember light, dark or as the system has it; works without script and without login."""
    require_same_origin(request)
    theme = form.text("theme")
    response = RedirectResponse(parse_return_path(form.text("next")), status_code=303)
    if theme in THEMES:
        _remember(request, response, "etlmon_theme", theme)
    return response


@router.get("/help/shortcuts")
@allow("session", "own")
def show_shortcuts(request: Request) -> Response:
    """What the keyboard does."""
    return render(request, "shortcuts.html", crumbs=[("Overview", "/"), ("Keyboard shortcuts", "")])


@router.post("/help/shortcuts")
@allow("session", "own")
def set_shortcuts(request: Request, form: Posted) -> Response:
    """Single keys on or off (WCAG 2.1.4)."""
    keys = "off" if form.text("keys") == "off" else "on"
    response = go(request, "/help/shortcuts", Flash(f"Keyboard shortcuts are {keys}"))
    _remember(request, response, "etlmon_keys", keys)
    return response


def _require_same(wanted: str, again: str) -> None:
    if wanted != again:
        raise InputDataError("the two new passwords differ", suggestion="type the new one twice")


def _remember(request: Request, response: Response, name: str, value: str) -> None:
    response.set_cookie(name, value, max_age=_YEAR_S, path="/", samesite="lax", secure=is_over_tls(request))


def _login_page(
    request: Request, *, next_path: str, username: str = "", error: EtlmonError | None = None, status: int = 200
) -> Response:
    return render(
        request,
        "login.html",
        status=status,
        next_path=next_path,
        username=username,
        error=error,
        has_oidc=bool(control_plane(request).settings.oidc_issuer),
    )


def _password_page(
    request: Request, *, error: EtlmonError | None = None, wrong_field: str = "", status: int = 200
) -> Response:
    return render(
        request,
        "password.html",
        crumbs=[*_OURS, ("Change password", "")],
        status=status,
        error=error,
        wrong_field=wrong_field,
        shortest=MIN_LENGTH,
        longest=MAX_LENGTH,
    )
