"""The FastAPI app: assembled from settings, one engine per process. `python -m api` serves it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from api.correlation import CorrelationMiddleware
from api.problems import install_problem_handlers
from api.routes import health, signals
from resources.encryption import load_cipher
from resources.postgres.engine import make_engine
from resources.postgres.loaders_repository import LoadersRepository
from resources.postgres.url import DatabaseUrl
from resources.secret_files import load_token
from resources.settings import Settings


def create_app(settings: Settings, url: DatabaseUrl) -> FastAPI:
    """The app on a migrated database. Connecting happens at the first request."""
    engine = make_engine(url, pool_size=10, max_overflow=10)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        engine.dispose()

    app = FastAPI(title="etlmon", openapi_url="/api/openapi.json", docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.engine = engine
    repository = LoadersRepository(engine, load_cipher(settings.home))
    app.state.push_door = signals.PushDoor(settings, engine, repository, load_token(settings.home, "push.token"))
    app.add_middleware(CorrelationMiddleware)
    install_problem_handlers(app)
    app.include_router(health.router)
    app.include_router(signals.router)
    return app
