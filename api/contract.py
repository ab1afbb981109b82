"""The OpenAPI document: what FastAPI derives from the routes, and which of them need a credential and what it has to allow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from api.access import access_of

_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "an access token of POST /api/v1/auth/login, an API token, or for pushes HOME/secrets/push.token",
}


def install_contract(app: FastAPI) -> None:
    """Call after the last router: /api/openapi.json then names the credential and the permission of every operation."""
    derive = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = derive()
            document.setdefault("components", {})["securitySchemes"] = {"bearer": _BEARER}
            for route in _leaves(app.routes):
                if isinstance(route, APIRoute) and route.include_in_schema:
                    _state_access(document, route)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _state_access(document: dict[str, Any], route: APIRoute) -> None:
    access = access_of(route.endpoint)
    for method in route.methods or ():
        operation = document["paths"].get(route.path_format, {}).get(method.lower())
        if operation is None or access is None:
            continue
        operation["security"] = [{"bearer": []}] if access.resource else []
        if access.resource:
            operation["x-permission"] = f"{access.resource}:{access.action}"


def _leaves(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """Routes of routers inside routers too, as newer FastAPI keeps them."""
    for route in routes:
        router = getattr(route, "original_router", None)
        if router is None:
            yield route
        else:
            yield from _leaves(router.routes)
