"""The routes of the app, without a database: what tests that walk all of them share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from fastapi import FastAPI
from starlette.routing import BaseRoute

from api.app import create_app
from resources.postgres.url import DatabaseUrl
from resources.settings import Settings


def leaves(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """Routes of routers inside routers too (newer FastAPI keeps them nested)."""
    for route in routes:
        router = getattr(route, "original_router", None)
        if router is None:
            yield route
        else:
            assert not route.include_context.prefix, "the paths would be wrong"  # type: ignore[attr-defined]
            yield from leaves(router.routes)


def list_routes() -> list[BaseRoute]:
    """Every route of the app as it is assembled; nothing of it is ever called."""
    with TemporaryDirectory() as home:
        settings = Settings(home=Path(home), _env_file=None)
        app: FastAPI = create_app(settings, DatabaseUrl.parse("postgresql://nobody@127.0.0.1:9/none"))
    return list(leaves(app.routes))
