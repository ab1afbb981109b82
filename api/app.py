"""The FastAPI app: assembled from settings, one engine per process. `python -m api` serves it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI

from api.access import guard
from api.authentication import Authentication
from api.correlation import CorrelationMiddleware
from api.problems import PROBLEMS, install_problem_handlers
from api.routes import health, signals
from resources.control_plane import ControlPlane
from resources.postgres.engine import make_engine
from resources.postgres.loaders_repository import LoadersRepository
from resources.postgres.url import DatabaseUrl
from resources.settings import Settings


def create_app(settings: Settings, url: DatabaseUrl) -> FastAPI:
    """The app on a migrated database. Connecting happens at the first request."""
    engine = make_engine(url, pool_size=10, max_overflow=10)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        engine.dispose()

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
    app.state.push_door = signals.PushDoor(settings, engine, LoadersRepository(engine, control.cipher))
    app.add_middleware(CorrelationMiddleware)
    install_problem_handlers(app)
    app.include_router(health.router)
    app.include_router(signals.router)
    return app
