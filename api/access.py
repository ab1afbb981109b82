"""The guard in front of every route: who asks, how often, and whether the permission table lets him. Default deny (A2).

A route says what it is with `@allow("loaders", "approve")` or `@public`; one that says nothing answers 403 to everybody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from api.csrf import check_csrf
from domain.access.permissions import Caller, check_permission
from domain.errors import NotAuthenticatedError, NotPermittedError
from resources.json_logs import bind_username

if TYPE_CHECKING:
    from api.edge_rate import RateGate
    from resources.control_plane import ControlPlane

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
_MARK = "__access__"
#: They ask for the process alone: no thread that waits for a database may keep them waiting.
_PROBES = frozenset({"/healthz", "/livez"})


@dataclass(frozen=True, slots=True)
class Access:
    """What a route demands; `resource` is empty for what everybody may have without logging in."""

    resource: str = ""
    action: str = ""


def allow(resource: str, action: str) -> Callable[[Endpoint], Endpoint]:
    """Mark an endpoint with the line of the permission table that decides about it."""

    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _MARK, Access(resource, action))
        return endpoint

    return mark


def public(endpoint: Endpoint) -> Endpoint:
    """Mark an endpoint that needs no login."""
    setattr(endpoint, _MARK, Access())
    return endpoint


def access_of(endpoint: Callable[..., Any]) -> Access | None:
    """The mark of an endpoint; None where it has none, which the guard denies."""
    return cast("Access | None", getattr(endpoint, _MARK, None))


class Authenticator(Protocol):
    """Finds out who asks."""

    def __call__(self, request: Request) -> Caller | None:
        """The caller by bearer token, API token or session cookie; None when the request carries no credential.

        Raises:
            NotAuthenticatedError: there is a credential and it is not good.
        """
        ...


def control_plane(request: Request) -> ControlPlane:
    """The services of this process."""
    return cast("ControlPlane", request.app.state.control_plane)


def current_caller(request: Request) -> Caller:
    """Who asks; only in routes that are not public.

    Raises:
        NotAuthenticatedError: nobody is logged in.
    """
    caller = cast("Caller | None", getattr(request.state, "caller", None))
    if caller is None:
        raise NotAuthenticatedError(
            "this needs a credential",
            suggestion="POST /api/v1/auth/login gives a token; for pushes send `Authorization: Bearer` with HOME/secrets/push.token",
        )
    return caller


def _identify(request: Request, authenticate: Authenticator, *, is_public: bool) -> Caller | None:
    """Who asks; the request counts against his limit, or against his address while nobody knows who he is."""
    gate: RateGate = request.app.state.rate_gate
    try:
        caller = authenticate(request)
    except NotAuthenticatedError:
        gate.admit(request, None)
        if not is_public:
            raise
        return None
    gate.admit(request, caller)
    return caller


async def guard(request: Request) -> None:
    """Dependency of the whole app, before each endpoint. Looking up who asks happens in the thread pool.

    Raises:
        NotAuthenticatedError: 401. NotPermittedError: 403. RateLimitedError: 429.
    """
    access = access_of(request.scope["endpoint"])
    authenticate: Authenticator = request.app.state.authenticate
    is_public = access is not None and not access.resource
    if is_public and request.url.path in _PROBES:
        request.state.caller = None
        return
    caller = await run_in_threadpool(_identify, request, authenticate, is_public=is_public)
    request.state.caller = caller
    if caller is not None:
        bind_username(caller.username)
    if access is None:
        raise NotPermittedError(f"{request.url.path} has no rule yet", suggestion="this is a defect, please report it")
    if is_public:
        return
    asking = current_caller(request)
    check_permission(asking, access.resource, access.action)
    await check_csrf(request, asking)
