"""People and what they may: list, add, change, lock, reset; the permission table as a matrix."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Request, Response

from api.access import allow, control_plane, current_caller
from api.pages.error_pages import page_router
from api.pages.flashes import Flash
from api.pages.posted import Posted, PostedForm
from api.pages.questions import Question, ask, carry_out
from api.pages.rendering import go, render
from domain.access.permissions import PERMISSIONS, PERSONS_ONLY, Role
from domain.errors import ConflictError, EtlmonError, InputDataError, NotFoundError
from resources.access.users import User

router = page_router()
Username = Annotated[str, Path(max_length=64)]
_PAGE = 100
_CRUMBS = [("Overview", "/"), ("Users", "/users")]
_ACTS = {
    "disable": "Disable",
    "enable": "Enable",
    "unlock": "Unlock",
    "reset": "Reset password of",
    "end-sessions": "Log out",
}


@router.get("/users")
@allow("users", "read")
def list_users(request: Request, offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0) -> Response:
    """Everybody, by name."""
    users, total = control_plane(request).users.list_users(limit=_PAGE, offset=offset)
    return render(request, "users.html", crumbs=_CRUMBS, users=users, total=total, offset=offset, limit=_PAGE)


@router.get("/roles")
@allow("users", "read")
def show_roles(request: Request) -> Response:
    """The permission table."""
    return render(
        request,
        "roles.html",
        crumbs=[*_CRUMBS, ("Roles", "")],
        roles=list(Role),
        table=PERMISSIONS,
        persons_only=PERSONS_ONLY,
    )


@router.get("/add-user")
@allow("users", "edit")
def show_new_user(request: Request) -> Response:
    """The form of a new user."""
    return _new_page(request, {})


@router.post("/add-user")
@allow("users", "edit")
def create_user(request: Request, form: Posted) -> Response:
    """Make the user; the password made for him is shown once, on the next page."""
    try:
        role, username = form.word("role", Role), form.text("username").lower()
        password = control_plane(request).users.create(username, role, actor=current_caller(request).username)
    except (InputDataError, ConflictError) as error:
        return _new_page(request, form.values(), error=error)
    text = "This password is shown this one time. It has to be changed at the first login."
    return go(request, f"/users/{username}", Flash(f"{username} can log in now", text, secret=password))


@router.get("/users/{username}")
@allow("users", "read")
def show_user(request: Request, username: Username) -> Response:
    """One user: role, state, sessions, latest logins."""
    control = control_plane(request)
    user = control.users.read(username)
    attempts, _ = control.login_audit.list_attempts(limit=10, offset=0, username=username)
    return render(
        request,
        "user.html",
        crumbs=[*_CRUMBS, (username, "")],
        user=user,
        roles=list(Role),
        sessions=control.sessions.list_open(username),
        attempts=attempts,
    )


@router.post("/users/{username}/role")
@allow("users", "edit")
def change_role(request: Request, username: Username, form: Posted) -> Response:
    """Another role; it ends his sessions."""

    def change() -> Flash:
        user = control_plane(request).users.change(
            username,
            actor=current_caller(request).username,
            role=form.word("role", Role),
            revision=form.number("revision"),
        )
        return Flash(f"{username} is {user.role.value}", "Open sessions of a changed user have ended.")

    return carry_out(request, f"/users/{username}", change)


@router.get("/users/{username}/{act}")
@allow("users", "edit")
def ask_act(request: Request, username: Username, act: str) -> Response:
    """Ask before something is done to a user."""
    user = control_plane(request).users.read(username)
    return ask(request, _question(user, act), crumbs=[*_CRUMBS, (username, f"/users/{username}")])


@router.post("/users/{username}/{act}")
@allow("users", "edit")
def carry_out_act(request: Request, username: Username, act: str, form: Posted) -> Response:
    """Do it."""
    return carry_out(request, f"/users/{username}", lambda: _do(request, username, act, form))


def _do(request: Request, username: str, act: str, form: PostedForm) -> Flash:
    users, actor = control_plane(request).users, current_caller(request).username
    if act in {"disable", "enable"}:
        users.change(username, actor=actor, is_active=act == "enable", revision=form.number("revision"))
        return Flash(f"{username} is {act}d")
    if act == "unlock":
        users.unlock(username, actor=actor)
        return Flash(f"{username} is unlocked")
    if act == "reset":
        password = users.reset_password(username, actor=actor)
        return Flash(
            f"{username} has a new password",
            "It is shown this one time, and has to be changed at the next login.",
            secret=password,
        )
    if act == "end-sessions":
        return Flash(f"{username} is logged out", f"{users.end_sessions(username, actor=actor)} sessions ended.")
    raise _no_such(act)


def _question(user: User, act: str) -> Question:
    name = user.username
    lines = {
        "disable": [
            f"{name} will be logged out at once and cannot log in until enabled again. API tokens {name} made are refused, too."
        ],
        "enable": [f"{name} may log in again as {user.role.value}."],
        "unlock": [f"The {user.failed_attempts} failed attempts of {name} are forgotten and the lock is gone."],
        "reset": [
            f"{name} gets a new password, which you see once and hand over. All sessions of {name} end; a lock is removed.",
            "At the next login it has to be changed.",
        ],
        "end-sessions": [f"Every session of {name} ends at once. {name} can log in again."],
    }
    if act not in _ACTS:
        raise _no_such(act)
    return Question(
        title=f"{_ACTS[act]} {name}?",
        lines=lines[act],
        confirm=f"{_ACTS[act].removesuffix(' of')}",
        back=f"/users/{name}",
        is_dangerous=act in {"disable", "reset"},
        hidden={"revision": str(user.revision)},
    )


def _no_such(act: str) -> NotFoundError:
    return NotFoundError(f"there is no action {act!r} on users", suggestion="go back to the list of users")


def _new_page(request: Request, typed: dict[str, str], *, error: EtlmonError | None = None) -> Response:
    return render(
        request,
        "user_new.html",
        crumbs=[*_CRUMBS, ("New user", "")],
        status=422 if error else 200,
        typed=typed,
        error=error,
    )
