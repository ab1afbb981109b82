"""/api/v1/breakers: the circuit breakers of all outgoing connections, and their reset by hand (A14)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel

from api.access import allow, control_plane, current_caller
from domain.circuit_breaker import BreakerRules, BreakerState
from resources.breakers_postgres import PostgresBreakers, StoredBreaker, rules_of

router = APIRouter(prefix="/api/v1/breakers", tags=["breakers"])

BreakerId = Annotated[str, Path(pattern=r"^[0-9a-f]{12}$", description="`id` of the list")]


class BreakerAnswer(BaseModel):
    """One breaker; rates are of the calls in its window."""

    id: str
    name: str
    state: BreakerState
    calls: int
    failureRatePct: float  # noqa: N815 - the JSON names
    slowRatePct: float  # noqa: N815
    openedAt: datetime | None  # noqa: N815
    retryAt: datetime | None  # noqa: N815
    timesOpened: int  # noqa: N815
    lastError: str  # noqa: N815
    resetBy: str  # noqa: N815
    updatedAt: datetime | None  # noqa: N815


class BreakerPage(BaseModel):
    """Breakers by name."""

    items: list[BreakerAnswer]
    total: int


@router.get("")
@allow("breakers", "read")
def list_breakers(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> BreakerPage:
    """Every connection that was ever asked has one."""
    control = control_plane(request)
    rows, rules = PostgresBreakers(control.engine).list_breakers(), rules_of(control.settings)
    return BreakerPage(items=[_answer(row, rules) for row in rows[offset : offset + limit]], total=len(rows))


@router.post("/{breaker_id}/reset")
@allow("breakers", "reset")
def reset_breaker(request: Request, breaker_id: BreakerId) -> BreakerAnswer:
    """Close it now; every process sees it within a second."""
    control = control_plane(request)
    breakers = PostgresBreakers(control.engine)
    row = breakers.reset(breaker_id, actor=current_caller(request).username, audit=control.audit)
    return _answer(row, rules_of(control.settings))


def _answer(row: StoredBreaker, rules: BreakerRules) -> BreakerAnswer:
    breaker = row.breaker
    return BreakerAnswer(
        id=row.breaker_id,
        name=row.name,
        state=breaker.state,
        calls=len(breaker.calls),
        failureRatePct=round(breaker.failure_rate_pct, 1),
        slowRatePct=round(breaker.slow_rate_pct, 1),
        openedAt=breaker.opened_at,
        retryAt=breaker.retry_at(rules),
        timesOpened=breaker.times_opened,
        lastError=row.last_error,
        resetBy=row.reset_by,
        updatedAt=breaker.changed_at,
    )
