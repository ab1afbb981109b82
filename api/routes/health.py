"""/healthz and /livez say that the process answers, /readyz that what it needs answers too, each with its latency."""

from __future__ import annotations

import time
from collections.abc import Callable

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from sqlalchemy import Engine, text

from api.access import public
from domain.errors import EtlmonError
from resources.postgres.engine import transaction

router = APIRouter(tags=["health"])


@router.get("/healthz")
@router.get("/livez")
@public
def read_liveness() -> dict[str, str]:
    """The process runs and answers."""
    return {"status": "ok"}


@router.get("/readyz")
@public
def read_readiness(request: Request) -> JSONResponse:
    """Database and migrations, checked now. 503 when one of them is not well."""
    engine: Engine = request.app.state.engine
    checks = {
        "database": _check(lambda: _scalar(engine, "SELECT 1")),
        "migrations": _check(lambda: _scalar(engine, "SELECT version_num FROM alembic_version")),
    }
    is_ready = all(one["ok"] for one in checks.values())
    return JSONResponse(
        {"status": "ready" if is_ready else "not ready", "checks": checks}, status_code=200 if is_ready else 503
    )


def _scalar(engine: Engine, sql: str) -> object:
    with transaction(engine) as connection:
        return connection.execute(text(sql)).scalar_one()


def _check(probe: Callable[[], object]) -> dict[str, object]:
    started = time.perf_counter()
    try:
        found: dict[str, object] = {"ok": True, "value": str(probe())}
    except EtlmonError as error:
        found = {"ok": False, **error.as_dict()}
    return {**found, "latency_ms": round((time.perf_counter() - started) * 1000, 1)}
