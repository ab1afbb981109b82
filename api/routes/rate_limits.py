"""/api/v1/rate-limits: limits per role, route and user; in force in every process within a second, without a restart (A13)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from api.access import allow, control_plane, current_caller
from domain.access.permissions import Role
from domain.access.rate_limits import LimitScope
from domain.errors import NotFoundError
from resources.access.rate_limits import RateLimitRow

router = APIRouter(prefix="/api/v1/rate-limits", tags=["rate limits"])

_NAME = r"^[A-Za-z][A-Za-z0-9 ._@:/{}-]{0,199}$"
Name = Annotated[str, Query(pattern=_NAME, description="a role, `METHOD /path` of a route, or a user")]


class RateLimitChange(BaseModel):
    """A limit to set."""

    model_config = ConfigDict(extra="forbid")
    scope: LimitScope
    name: str = Field(
        pattern=_NAME, description="a role, `METHOD /path` of a route as in the OpenAPI document, or a user"
    )
    perMinute: int = Field(ge=1, le=1_000_000)  # noqa: N815 - the JSON name


class RateLimitAnswer(BaseModel):
    """One limit."""

    scope: LimitScope
    name: str
    perMinute: int  # noqa: N815
    updatedBy: str  # noqa: N815
    updatedAt: datetime  # noqa: N815


class RateLimitPage(BaseModel):
    """Limits by scope and name; what none of them names has `defaultPerMinute`."""

    items: list[RateLimitAnswer]
    total: int
    defaultPerMinute: int  # noqa: N815


@router.get("")
@allow("rate-limits", "read")
def list_rate_limits(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> RateLimitPage:
    """The order of precedence is user, route, role, default."""
    control = control_plane(request)
    rows = control.rate_limits.list_limits()
    return RateLimitPage(
        items=[_answer(row) for row in rows[offset : offset + limit]],
        total=len(rows),
        defaultPerMinute=control.settings.rate_limit_per_minute,
    )


@router.put("")
@allow("rate-limits", "edit")
def save_rate_limit(request: Request, change: RateLimitChange) -> RateLimitAnswer:
    """Set a limit, new or changed."""
    require_known(request, change)
    row = control_plane(request).rate_limits.save(
        change.scope, change.name, per_minute=change.perMinute, actor=current_caller(request).username
    )
    return _answer(row)


@router.delete("", status_code=204)
@allow("rate-limits", "edit")
def remove_rate_limit(request: Request, scope: LimitScope, name: Name) -> None:
    """Take a limit away; the next one in the order of precedence holds."""
    control_plane(request).rate_limits.remove(scope, name, actor=current_caller(request).username)


def _answer(row: RateLimitRow) -> RateLimitAnswer:
    return RateLimitAnswer(
        scope=row.scope, name=row.name, perMinute=row.per_minute, updatedBy=row.updated_by, updatedAt=row.updated_at
    )


def require_known(request: Request, change: RateLimitChange) -> None:
    """A limit that names nothing would be a typo that nobody notices."""
    known: set[str] = {change.name}
    if change.scope is LimitScope.ROLE:
        known = {role.value for role in Role}
    if change.scope is LimitScope.ROUTE:
        paths: dict[str, Any] = request.app.openapi()["paths"]
        known = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    if change.name not in known:
        raise NotFoundError(
            f"there is no {change.scope.value} {change.name!r}",
            suggestion="roles are ADMIN, OPERATOR, VIEWER; routes are written `METHOD /path` as in /api/openapi.json",
        )
