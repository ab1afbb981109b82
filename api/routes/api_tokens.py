"""API tokens of machines: made with scopes and an end, shown once, revoked. For admins (A1, A2)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from api.access import allow
from api.routes.auth import Asking, Control
from api.wire import Limit, Offset, WireModel
from domain.access.permissions import Role
from resources.clock import utc_now

router = APIRouter(prefix="/api/v1/api-tokens", tags=["api-tokens"])

TokenId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]


class ApiTokenAnswer(WireModel):
    """A token without its secret. It acts in the name of `createdBy`."""

    token_id: str
    name: str
    role: Role
    scopes: list[str]
    created_by: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


class ApiTokenList(WireModel):
    """The newest first."""

    items: list[ApiTokenAnswer]
    total: int


class NewApiToken(WireModel):
    """What a machine may and how long."""

    name: str = Field(min_length=1, max_length=100, pattern=r"^[\w .:@/-]+$")
    role: Role
    scopes: list[Annotated[str, Field(max_length=100)]] = Field(min_length=1, max_length=100)
    expires_in_days: int = Field(ge=1, le=365, strict=True)


class IssuedApiToken(WireModel):
    """`token` is shown only here. Send it as `Authorization: Bearer`."""

    token_id: str
    token: str
    expires_at: datetime


@router.get("")
@allow("api-tokens", "read")
def list_api_tokens(control: Control, limit: Limit = 100, offset: Offset = 0) -> ApiTokenList:
    """All tokens, revoked and expired ones too."""
    rows, total = control.api_tokens.list_tokens(limit=limit, offset=offset)
    return ApiTokenList(items=[ApiTokenAnswer(**row) for row in rows], total=total)


@router.post("", status_code=201)
@allow("api-tokens", "edit")
def issue_api_token(body: NewApiToken, control: Control, caller: Asking) -> IssuedApiToken:
    """Make a token. Scopes are `resource:action` of the permission table, at most what the role may."""
    expires_at = utc_now() + timedelta(days=body.expires_in_days)
    issued = control.api_tokens.issue(
        actor=caller, name=body.name, role=body.role, scopes=body.scopes, expires_at=expires_at
    )
    return IssuedApiToken(token_id=issued.token_id, token=issued.token, expires_at=expires_at)


@router.get("/{token_id}")
@allow("api-tokens", "read")
def read_api_token(token_id: TokenId, control: Control) -> ApiTokenAnswer:
    """One token without its secret."""
    return ApiTokenAnswer(**control.api_tokens.read(token_id))


@router.delete("/{token_id}", status_code=204)
@allow("api-tokens", "edit")
def revoke_api_token(token_id: TokenId, control: Control, caller: Asking) -> None:
    """Refused from now on."""
    control.api_tokens.revoke(token_id, actor=caller.username)
