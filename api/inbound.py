"""What the doors for answers have in common: the responses of this process, and one transaction per delivery."""

from __future__ import annotations

from fastapi import Request
from sqlalchemy import Engine

from api.access import control_plane
from resources.inbound.opening import open_responses
from resources.inbound.responses import Responses


def responses_of(request: Request) -> Responses:
    """Made at the first answer."""
    state = request.app.state
    found: Responses | None = getattr(state, "responses", None)
    if found is None:
        found = state.responses = open_responses(control_plane(request))
    return found


def engine_of(request: Request) -> Engine:
    """The engine of this process."""
    return control_plane(request).engine
