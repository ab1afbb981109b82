"""/healthz and /livez say that the process answers, /readyz that what it needs answers too, each with its latency (A15)."""

from __future__ import annotations

from typing import Any, cast

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from api.access import public
from domain.access.permissions import Caller
from resources.readiness import CheckResult, Readiness

router = APIRouter(tags=["health"])


class Liveness(BaseModel):
    """The process runs and answers."""

    status: str


class Check(BaseModel):
    """One check. `reason` and `facts` are told only to who may read the platform: they name hosts and loaders."""

    ok: bool
    isDegraded: bool  # noqa: N815 - the JSON names
    latency_ms: float
    errorType: str = ""  # noqa: N815
    reason: str = ""
    facts: dict[str, Any] = {}


class ReadinessAnswer(BaseModel):
    """`ready`; `degraded` when something is not well that the platform can do without; `not ready` (503) otherwise."""

    status: str
    checks: dict[str, Check]


@router.get("/healthz")
@router.get("/livez")
@public
async def read_liveness() -> Liveness:
    """The process runs and answers; nothing else is looked at, and no thread is waited for."""
    return Liveness(status="ok")


@router.get("/readyz", responses={503: {"model": ReadinessAnswer, "description": "something needed does not answer"}})
@public
def read_readiness(request: Request, response: Response) -> ReadinessAnswer:
    """Database, migrations, lake, disk, Redis and sources, checked within the last seconds."""
    readiness: Readiness = request.app.state.readiness
    caller = cast("Caller | None", request.state.caller)
    is_told = caller is not None and caller.may("platform", "read")
    report = readiness.report()
    response.status_code = 503 if report.status == "not ready" else 200
    return ReadinessAnswer(
        status=report.status, checks={one.name: _describe(one, is_told=is_told) for one in report.checks}
    )


def _describe(result: CheckResult, *, is_told: bool) -> Check:
    return Check(
        ok=result.is_ok is True,
        isDegraded=result.is_ok is None,
        latency_ms=result.latency_ms,
        errorType=result.error_type,
        reason=result.reason if is_told else "",
        facts=result.facts if is_told else {},
    )
