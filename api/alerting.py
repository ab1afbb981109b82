"""The alert services of this process, made at the first request that needs them."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Depends, Request
from pydantic import BeforeValidator, Field

from api.access import control_plane
from api.wire import Instant, WireModel
from resources.alerts.services import AlertServices


def alert_services(request: Request) -> AlertServices:
    """One for all requests."""
    state = request.app.state
    found: AlertServices | None = getattr(state, "alert_services", None)
    if found is None:
        found = state.alert_services = AlertServices(control_plane(request))
    return found


Services = Annotated[AlertServices, Depends(alert_services)]


class WireMatcher(WireModel):
    """A condition on a label: op is =, !=, =~ or !~."""

    label: str = Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_.-]{0,99}$")
    op: Literal["=", "!=", "=~", "!~"] = "="
    value: str = Field(max_length=1000)


def _written_as_text(given: object) -> object:
    if isinstance(given, int | float):
        raise ValueError("write it as in RFC 3339, for example 2026-11-01T00:00:00Z")  # noqa: TRY004 - pydantic shows it
    return given


#: An instant in a request's body.
Moment = Annotated[Instant, BeforeValidator(_written_as_text)]
Matchers = Annotated[list[WireMatcher], Field(min_length=1, max_length=20)]
Reason = Annotated[str, Field(min_length=3, max_length=1000, pattern=r"\S")]


def plain(matchers: list[WireMatcher]) -> list[dict[str, str]]:
    """As the services take them."""
    return [one.model_dump() for one in matchers]
