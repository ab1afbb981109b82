"""Finding out who asks, from the credential of a request."""

from __future__ import annotations

import secrets

from fastapi import Request

from domain.access.permissions import Caller, Role
from domain.errors import NotAuthenticatedError
from resources.control_plane import ControlPlane
from resources.secret_files import load_token

#: The machine that the platform itself provides for: pushing signals with the token of HOME/secrets/push.token.
_PUSHER = Caller("push-token", Role.OPERATOR, scopes=frozenset({"signals:push", "signals:read"}))


class Authentication:
    """The `api.access.Authenticator` of the app."""

    def __init__(self, control: ControlPlane) -> None:
        self._push_token = load_token(control.settings.home, "push.token").encode()

    def __call__(self, request: Request) -> Caller | None:
        """See `api.access.Authenticator`."""
        authorization = request.headers.get("authorization", "")
        if not authorization:
            return None
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "bearer" and secrets.compare_digest(token.encode(), self._push_token):
            return _PUSHER
        raise NotAuthenticatedError(
            "the credential is missing, wrong or expired",
            suggestion="log in again, or send `Authorization: Bearer` with a token (for pushes: HOME/secrets/push.token)",
        )
