"""Users: list, make, change, disable, unlock, reset. For admins. Answers carry an ETag; If-Match guards a change (A1, A2)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Header, Path, Response
from pydantic import Field, SecretStr

from api.access import allow
from api.routes.auth import Asking, Control
from api.wire import Limit, Offset, WireModel
from domain.access.permissions import Role
from domain.errors import InputDataError
from resources.access.users import USERNAME, User

router = APIRouter(prefix="/api/v1/users", tags=["users"])

Name = Annotated[str, Path(pattern=USERNAME)]
IfMatch = Annotated[
    str | None,
    Header(
        max_length=200,
        description='ETag of the user as read, `"name.revision"`; without it the change is unconditional',
    ),
]


class UserAnswer(WireModel):
    """A user without secrets."""

    username: str
    role: Role
    is_active: bool
    has_to_change_password: bool
    has_password: bool
    has_identity_provider: bool
    failed_attempts: int
    locked_until: datetime | None
    created_by: str
    created_at: datetime
    last_login_at: datetime | None
    revision: int


class UserList(WireModel):
    """By name."""

    items: list[UserAnswer]
    total: int


class NewUser(WireModel):
    """Without a password one is made and shown once."""

    username: str = Field(min_length=2, max_length=64, pattern=USERNAME)
    role: Role
    password: SecretStr | None = Field(default=None, min_length=1, max_length=1024)


class UserChange(WireModel):
    """What is left out stays."""

    role: Role | None = None
    is_active: bool | None = None


class PasswordReset(WireModel):
    """Without a password one is made and shown once."""

    password: SecretStr | None = Field(default=None, min_length=1, max_length=1024)


class InitialPassword(WireModel):
    """Shown only here; it has to be changed at the first login."""

    username: str
    initial_password: str


class SessionsEnded(WireModel):
    """How many sessions stood."""

    ended: int


def _show(user: User, response: Response) -> UserAnswer:
    response.headers["ETag"] = f'"{user.username}.{user.revision}"'
    return _answer(user)


def _answer(user: User) -> UserAnswer:
    return UserAnswer(
        username=user.username,
        role=user.role,
        is_active=user.is_active,
        has_to_change_password=user.has_to_change_password,
        has_password=user.has_password,
        has_identity_provider=user.oidc_subject is not None,
        failed_attempts=user.failed_attempts,
        locked_until=user.locked_until,
        created_by=user.created_by,
        created_at=user.created_at,
        last_login_at=user.last_login_at,
        revision=user.revision,
    )


def parse_revision(if_match: str | None, username: str) -> int | None:
    """The revision an If-Match names; None for no header and for `*`.

    Raises:
        InputDataError: no ETag of this user.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    name, _, revision = if_match.strip().removeprefix("W/").strip('"').rpartition(".")
    if name != username or not revision.isascii() or not revision.isdigit() or len(revision) > 9:
        raise InputDataError(
            "If-Match is no ETag of this user", suggestion=f'send "{username}.<revision>" as GET gave it'
        )
    return int(revision)


def _plain(password: SecretStr | None) -> str | None:
    return None if password is None else password.get_secret_value()


@router.get("")
@allow("users", "read")
def list_users(control: Control, limit: Limit = 100, offset: Offset = 0) -> UserList:
    """All users by name."""
    found, total = control.users.list_users(limit=limit, offset=offset)
    return UserList(items=[_answer(one) for one in found], total=total)


@router.post("", status_code=201)
@allow("users", "edit")
def add_user(body: NewUser, control: Control, caller: Asking) -> InitialPassword:
    """A new user, who has to change the password at the first login."""
    password = control.users.create(body.username, body.role, actor=caller.username, password=_plain(body.password))
    return InitialPassword(username=body.username, initial_password=password)


@router.get("/{username}")
@allow("users", "read")
def read_user(username: Name, response: Response, control: Control) -> UserAnswer:
    """One user, with its ETag."""
    return _show(control.users.read(username), response)


@router.patch("/{username}")
@allow("users", "edit")
def change_user(
    username: Name, body: UserChange, *, response: Response, control: Control, caller: Asking, if_match: IfMatch = None
) -> UserAnswer:
    """Another role, disabled or enabled again. Sessions end at once. The last active ADMIN stays one."""
    changed = control.users.change(
        username,
        actor=caller.username,
        role=body.role,
        is_active=body.is_active,
        revision=parse_revision(if_match, username),
    )
    return _show(changed, response)


@router.delete("/{username}", status_code=204)
@allow("users", "edit")
def disable_user(username: Name, control: Control, caller: Asking, if_match: IfMatch = None) -> None:
    """Disable; the name stays in the records."""
    revision = parse_revision(if_match, username)
    control.users.change(username, actor=caller.username, is_active=False, revision=revision)


@router.post("/{username}/unlock")
@allow("users", "edit")
def unlock_user(username: Name, response: Response, control: Control, caller: Asking) -> UserAnswer:
    """Release a lock-out and forget the failed attempts."""
    return _show(control.users.unlock(username, actor=caller.username), response)


@router.post("/{username}/reset-password")
@allow("users", "edit")
def reset_password(username: Name, body: PasswordReset, control: Control, caller: Asking) -> InitialPassword:
    """Another initial password; sessions end, a lock is released."""
    password = control.users.reset_password(username, actor=caller.username, password=_plain(body.password))
    return InitialPassword(username=username, initial_password=password)


@router.post("/{username}/end-sessions")
@allow("users", "edit")
def end_sessions(username: Name, control: Control, caller: Asking) -> SessionsEnded:
    """Log somebody out everywhere."""
    return SessionsEnded(ended=control.users.end_sessions(username, actor=caller.username))
