"""The FastAPI app: assembled from settings, one engine per process. `python -m api` serves it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.concurrency import run_in_threadpool

from api.access import guard
from api.authentication import Authentication
from api.client_address import parse_proxies
from api.contract import install_contract
from api.edge import EdgeMiddleware
from api.edge_metrics import RequestMetrics
from api.edge_rate import RateGate
from api.edge_request import RequestRules
from api.pages.assembly import install_pages
from api.problems import PROBLEMS, install_problem_handlers
from api.routes import (
    alertmanager_webhook,
    alerts,
    api_tokens,
    audit,
    auth,
    auth_oidc,
    breakers,
    drills,
    field_policies,
    health,
    incident_measures,
    incidents,
    keys,
    loader_decisions,
    loader_impact,
    loaders,
    login_audit,
    maintenance,
    messages,
    metrics,
    on_call,
    rate_limits,
    signals,
    silences,
    users,
    webhooks_jira,
    webhooks_slack,
    webhooks_twilio,
    workbooks,
)
from api.watchdog import watching
from domain.errors import EtlmonError
from resources.breakers_postgres import shared_breakers
from resources.control_plane import ControlPlane
from resources.json_logs import get_logger
from resources.own_numbers import PlatformNumbers
from resources.postgres.engine import make_engine
from resources.postgres.loaders_repository import LoadersRepository
from resources.postgres.url import DatabaseUrl
from resources.readiness import Readiness
from resources.settings import Settings
from resources.tracing import stop_tracing

_RATE_HEADERS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy")


def create_app(settings: Settings, url: DatabaseUrl) -> FastAPI:
    """The app on a migrated database. Connecting happens at the first request."""
    share = max(3, 24 // settings.api_workers)  # connections of one worker, so that all of them leave room for Dagster
    engine = make_engine(url, pool_size=(share + 1) // 2, max_overflow=share // 2, pool_timeout=10)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(_anchor_audit, control)
        with shared_breakers(settings, url), watching(settings, engine):
            yield
        app.state.readiness.close()
        engine.dispose()
        stop_tracing()

    app = FastAPI(
        title="etlmon",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        dependencies=[Depends(guard)],
        responses=PROBLEMS,
    )
    control = ControlPlane(settings, url, engine)
    app.state.engine = engine
    app.state.control_plane = control
    app.state.authenticate = Authentication(control)
    app.state.trusted_proxies = parse_proxies(settings.trusted_proxies)
    app.state.push_door = signals.PushDoor(settings, engine, LoadersRepository(engine, control.cipher))
    app.state.metrics = RequestMetrics()
    app.state.readiness = Readiness(control)
    app.state.platform_numbers = PlatformNumbers(control, app.state.readiness.lake)
    app.state.rate_gate = RateGate(
        control.rate_limits, control.rate_counter, default_per_minute=settings.rate_limit_per_minute
    )
    _allow_origins(app, settings)
    app.add_middleware(EdgeMiddleware, rules=RequestRules(settings), metrics=app.state.metrics)
    install_problem_handlers(app)
    app.include_router(health.router)
    app.include_router(workbooks.router)  # before the loaders: its paths would be codes
    app.include_router(auth.router)
    app.include_router(auth_oidc.router)
    app.include_router(users.router)
    app.include_router(api_tokens.router)
    app.include_router(login_audit.router)
    app.include_router(signals.router)
    app.include_router(rate_limits.router)
    app.include_router(audit.router)
    app.include_router(field_policies.router)
    app.include_router(keys.router)
    for router in (loaders.router, loader_decisions.router, loader_impact.router):
        app.include_router(router)
    app.include_router(breakers.router)
    app.include_router(messages.router)
    app.include_router(on_call.router)
    app.include_router(metrics.router)
    app.include_router(incident_measures.router)  # before the incidents: its paths would be codes
    app.include_router(incidents.router)
    for router in (alerts.router, silences.router, maintenance.router, alertmanager_webhook.router, drills.router):
        app.include_router(router)
    app.include_router(webhooks_twilio.router)
    app.include_router(webhooks_slack.router)
    app.include_router(webhooks_jira.router)
    install_pages(app)
    install_contract(app)
    return app


def _anchor_audit(control: ControlPlane) -> None:
    """Write down what the head of the audit is at this start; a database that is not there yet is no reason not to start."""
    try:
        control.audit_trail.anchors.append_head(control.engine, by="api")
    except (EtlmonError, OSError) as error:
        get_logger(__name__).warning("audit not anchored", error=error)


def _allow_origins(app: FastAPI, settings: Settings) -> None:
    """Pages of other origins may call the API only where the settings name them; never with cookies."""
    origins = [origin.strip().rstrip("/") for origin in settings.cors_origins.split(",") if origin.strip()]
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "If-Match", "Idempotency-Key", "X-Correlation-ID"],
            expose_headers=["ETag", "X-Correlation-ID", "Retry-After", *_RATE_HEADERS],
            max_age=600,
        )
