"""The alert services of this process, made at the first request that needs them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from pydantic import Field

from api.access import control_plane
from api.wire import WireModel
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

    label: str = Field(max_length=100)
    op: str = Field(default="=", max_length=2)
    value: str = Field(max_length=1000)


Matchers = Annotated[list[WireMatcher], Field(min_length=1, max_length=20)]
Reason = Annotated[str, Field(min_length=3, max_length=1000, pattern=r"\S")]


def plain(matchers: list[WireMatcher]) -> list[dict[str, str]]:
    """As the services take them."""
    return [one.model_dump() for one in matchers]
