"""Who tried to get in, from where, with what outcome (A3). For admins."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query

from api.access import allow
from api.routes.auth import Control
from api.wire import Limit, Offset, WireModel

router = APIRouter(prefix="/api/v1/login-audit", tags=["login audit"])


class LoginAttempt(WireModel):
    """One attempt, refresh or logout."""

    sequence: int
    at: datetime
    username: str
    ip: str
    user_agent: str
    method: str
    outcome: str
    correlation_id: str


class LoginAttempts(WireModel):
    """The newest first."""

    items: list[LoginAttempt]
    total: int


@router.get("")
@allow("login-audit", "read")
def list_login_attempts(
    control: Control,
    limit: Limit = 100,
    offset: Offset = 0,
    username: Annotated[str | None, Query(max_length=128, pattern=r"^[^\x00]*$")] = None,
    outcome: Annotated[str | None, Query(max_length=40, pattern=r"^[a-z-]*$")] = None,
) -> LoginAttempts:
    """Every attempt, also of names that do not exist."""
    rows, total = control.login_audit.list_attempts(limit=limit, offset=offset, username=username, outcome=outcome)
    return LoginAttempts(items=[LoginAttempt(**row) for row in rows], total=total)
