"""Log in, refresh, log out, who am I, my password, my sessions (A1)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import Field, SecretStr

from api.access import allow, control_plane, current_caller, public
from api.client_address import visitor_of
from api.session_cookie import clear_session_cookie
from api.wire import WireModel
from domain.access.permissions import Caller, Role
from domain.errors import NotFoundError, NotPermittedError
from resources.access.login import LoggedIn
from resources.access.login_audit import Visitor
from resources.control_plane import ControlPlane

router = APIRouter(prefix="/api/v1/auth", tags=["auth"])

Control = Annotated[ControlPlane, Depends(control_plane)]
Asking = Annotated[Caller, Depends(current_caller)]
From = Annotated[Visitor, Depends(visitor_of)]
Password = Annotated[SecretStr, Field(min_length=1, max_length=1024)]


class LoginRequest(WireModel):
    """A name and its password."""

    username: str = Field(min_length=1, max_length=256)
    password: Password


class RefreshRequest(WireModel):
    """The refresh token in force; it is spent by this."""

    refresh_token: str = Field(min_length=1, max_length=256)


class PasswordRequest(WireModel):
    """Change of one's own password."""

    current_password: Password
    new_password: Password


class TokenAnswer(WireModel):
    """Send `accessToken` as `Authorization: Bearer`; before it ends, `refreshToken` gives the next pair, once."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - a scheme
    expires_in: int = Field(description="seconds")
    username: str
    role: Role
    has_to_change_password: bool


class Me(WireModel):
    """Who asks, and what he may."""

    username: str
    role: Role
    scopes: list[str] | None = Field(description="what a machine's token is limited to")
    session_id: str
    has_to_change_password: bool


class SessionAnswer(WireModel):
    """One login that stands."""

    session_id: str
    created_at: datetime
    expires_at: datetime
    ip: str
    user_agent: str
    is_current: bool


class SessionList(WireModel):
    """The newest first."""

    items: list[SessionAnswer]
    total: int


def _tokens(logged_in: LoggedIn) -> TokenAnswer:
    return TokenAnswer(
        access_token=logged_in.access_token,
        refresh_token=logged_in.refresh_token,
        expires_in=logged_in.expires_in_s,
        username=logged_in.caller.username,
        role=logged_in.caller.role,
        has_to_change_password=logged_in.caller.has_to_change_password,
    )


def _session_of(caller: Caller) -> str:
    """Machines have none.

    Raises:
        NotPermittedError: the caller is no logged-in person.
    """
    if not caller.session_id:
        raise NotPermittedError(
            "this is for people who logged in, not for tokens", suggestion="POST /api/v1/auth/login"
        )
    return caller.session_id


@router.post("/login")
@public
def log_in(body: LoginRequest, control: Control, visitor: From) -> TokenAnswer:
    """Name and password for an access token of 24 hours and a refresh token."""
    return _tokens(
        control.login.with_password(
            body.username, body.password.get_secret_value(), ip=visitor.ip, user_agent=visitor.user_agent
        )
    )


@router.post("/refresh")
@public
def refresh(body: RefreshRequest, control: Control, visitor: From) -> TokenAnswer:
    """The next pair of tokens. A refresh token that is used twice was stolen: its session ends."""
    return _tokens(control.login.refresh(body.refresh_token, ip=visitor.ip, user_agent=visitor.user_agent))


@router.post("/logout", status_code=204)
@allow("session", "own")
def log_out(request: Request, response: Response, control: Control, caller: Asking, visitor: From) -> None:
    """End this session: its tokens are refused at once, everywhere."""
    _session_of(caller)
    control.login.log_out(caller, ip=visitor.ip, user_agent=visitor.user_agent)
    clear_session_cookie(request, response)


@router.get("/me")
@allow("session", "own")
def read_me(caller: Asking) -> Me:
    """Who asks."""
    return Me(
        username=caller.username,
        role=caller.role,
        scopes=None if caller.scopes is None else sorted(caller.scopes),
        session_id=caller.session_id,
        has_to_change_password=caller.has_to_change_password,
    )


@router.post("/password", status_code=204)
@allow("session", "own")
def change_password(body: PasswordRequest, control: Control, caller: Asking, visitor: From) -> None:
    """Change one's own password; all other sessions end, this one stays."""
    _session_of(caller)
    control.login.change_password(
        caller,
        body.current_password.get_secret_value(),
        body.new_password.get_secret_value(),
        ip=visitor.ip,
        user_agent=visitor.user_agent,
    )


@router.get("/sessions")
@allow("session", "own")
def list_sessions(control: Control, caller: Asking) -> SessionList:
    """Where one is logged in."""
    own = _session_of(caller)
    found = [
        SessionAnswer(**row, is_current=row["session_id"] == own) for row in control.sessions.list_open(caller.username)
    ]
    return SessionList(items=found, total=len(found))


@router.delete("/sessions/{session_id}", status_code=204)
@allow("session", "own")
def end_session(session_id: Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")], control: Control, caller: Asking) -> None:
    """Log out one of one's own sessions."""
    _session_of(caller)
    if not control.login.end_own_session(caller, session_id):
        raise NotFoundError("you have no such session", suggestion="GET /api/v1/auth/sessions lists yours")
