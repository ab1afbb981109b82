"""Rate limits per role, route and user, and the circuit breakers of outgoing connections (A13, A14)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Request, Response

from api.access import allow, control_plane, current_caller
from api.pages.error_pages import page_router
from api.pages.flashes import Flash
from api.pages.posted import Posted, PostedForm
from api.pages.questions import Question, ask, carry_out
from api.pages.rendering import render
from api.routes.rate_limits import RateLimitChange, require_known
from domain.access.rate_limits import LimitScope
from domain.circuit_breaker import BreakerState
from domain.errors import InputDataError, NotFoundError
from resources.breakers_postgres import PostgresBreakers, StoredBreaker, rules_of

router = page_router()
_LIMITS = [("Overview", "/"), ("Rate limits", "/limits")]
_BREAKERS = [("Overview", "/"), ("Circuit breakers", "/breakers")]
BreakerId = Annotated[str, Path(max_length=64)]


@router.get("/limits")
@allow("rate-limits", "read")
def list_limits(request: Request) -> Response:
    """All rows and the default."""
    control = control_plane(request)
    return render(
        request,
        "limits.html",
        crumbs=_LIMITS,
        limits=control.rate_limits.list_limits(),
        default=control.settings.rate_limit_per_minute,
        is_shared=control.settings.redis_url is not None,
    )


@router.post("/limits")
@allow("rate-limits", "edit")
def save_limit(request: Request, form: Posted) -> Response:
    """Set one, new or changed."""
    return carry_out(request, "/limits", lambda: _save(request, form))


@router.get("/limits/remove")
@allow("rate-limits", "edit")
def ask_remove_limit(
    request: Request,
    scope: Annotated[str, Query(max_length=10)],
    name: Annotated[str, Query(max_length=200)],
) -> Response:
    """Ask before a limit is taken away."""
    question = Question(
        title=f"Remove the limit of {name}?",
        lines=[
            f"Requests of the {scope} {name} are then counted by the next rule in the order user, route, role, default."
        ],
        confirm="Remove",
        back="/limits",
        is_dangerous=True,
        hidden={"scope": scope, "name": name},
    )
    return ask(request, question, crumbs=_LIMITS)


@router.post("/limits/remove")
@allow("rate-limits", "edit")
def remove_limit(request: Request, form: Posted) -> Response:
    """Take it away."""

    def change() -> Flash:
        name = form.text("name")
        control_plane(request).rate_limits.remove(
            form.word("scope", LimitScope), name, actor=current_caller(request).username
        )
        return Flash(f"The limit of {name} is gone")

    return carry_out(request, "/limits", change)


@router.get("/breakers")
@allow("breakers", "read")
def list_breakers(request: Request) -> Response:
    """Every connection that was ever asked."""
    control = control_plane(request)
    rules = rules_of(control.settings)
    rows = PostgresBreakers(control.engine).list_breakers()
    return render(
        request,
        "breakers.html",
        crumbs=_BREAKERS,
        breakers=[(one, one.breaker.retry_at(rules)) for one in rows],
        rules=rules,
        closed=BreakerState.CLOSED,
    )


@router.get("/breakers/{breaker_id}/reset")
@allow("breakers", "reset")
def ask_reset(request: Request, breaker_id: BreakerId) -> Response:
    """Ask before a breaker is closed by hand."""
    found = _find(request, breaker_id)
    question = Question(
        title="Reset the circuit breaker?",
        lines=[
            f"{found.name} is asked again at once, by every process; the calls counted so far are forgotten.",
            "If the source is still unwell, the breaker opens again.",
        ],
        confirm="Reset",
        back="/breakers",
    )
    return ask(request, question, crumbs=_BREAKERS)


@router.post("/breakers/{breaker_id}/reset")
@allow("breakers", "reset")
def reset_breaker(request: Request, breaker_id: BreakerId) -> Response:
    """Close it."""

    def change() -> Flash:
        control = control_plane(request)
        breakers = PostgresBreakers(control.engine)
        row = breakers.reset(breaker_id, actor=current_caller(request).username, audit=control.audit)
        return Flash(f"The breaker of {row.name} is closed")

    return carry_out(request, "/breakers", change)


def _find(request: Request, breaker_id: str) -> StoredBreaker:
    rows = PostgresBreakers(control_plane(request).engine).list_breakers()
    found = next((one for one in rows if one.breaker_id == breaker_id), None)
    if found is None:
        raise NotFoundError(f"there is no circuit breaker {breaker_id!r}", suggestion="go back to the list")
    return found


def _save(request: Request, form: PostedForm) -> Flash:
    scope, name, per_minute = form.word("scope", LimitScope), form.text("name"), form.number("per_minute")
    try:
        wanted = RateLimitChange(scope=scope, name=name, perMinute=per_minute)
    except ValueError:
        raise InputDataError(
            "a limit needs a name and 1 to 1,000,000 requests a minute", suggestion="correct the two fields"
        ) from None
    require_known(request, wanted)
    control_plane(request).rate_limits.save(scope, name, per_minute=per_minute, actor=current_caller(request).username)
    return Flash(f"{name} may send {per_minute:,} requests a minute", "It holds in every process within a second.")
