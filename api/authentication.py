"""Finding out who asks: access token, API token or the push token as `Authorization: Bearer`, or the cookie of a browser."""

from __future__ import annotations

import secrets

from fastapi import Request

from api import session_cookie
from domain.access.permissions import Caller, Role
from resources.access import access_tokens, api_tokens
from resources.access.signing_keys import unknown_credential
from resources.control_plane import ControlPlane
from resources.secret_files import load_token

#: The machine that the platform itself provides for: pushing signals with the token of HOME/secrets/push.token.
_PUSHER = Caller("push-token", Role.OPERATOR, scopes=frozenset({"signals:push", "signals:read"}))
#: Alertmanager, with the token of HOME/secrets/webhooks.token.
_ALERTMANAGER = Caller("alertmanager", Role.OPERATOR, scopes=frozenset({"alerts:send"}))
_LONGEST = 8192


class Authentication:
    """The `api.access.Authenticator` of the app."""

    def __init__(self, control: ControlPlane) -> None:
        self._control = control
        self._push_token = load_token(control.settings.home, "push.token").encode()
        self._webhook_token = load_token(control.settings.home, "webhooks.token").encode()

    def __call__(self, request: Request) -> Caller | None:
        """See `api.access.Authenticator`. A cookie counts only where there is no `Authorization`."""
        given = request.headers.getlist("authorization")
        if given:
            return self._by_bearer(given)
        cookie = request.cookies.get(session_cookie.NAME)
        if not cookie:
            return None
        request.state.is_by_cookie = True
        return self._by_session(cookie)

    def _by_bearer(self, given: list[str]) -> Caller:
        scheme, _, token = given[0].partition(" ")
        if len(given) > 1 or scheme.lower() != "bearer" or len(token) > _LONGEST:
            raise unknown_credential()
        if secrets.compare_digest(token.encode(), self._push_token):
            return _PUSHER
        if secrets.compare_digest(token.encode(), self._webhook_token):
            return _ALERTMANAGER
        if token.startswith(api_tokens.PREFIX):
            return self._control.api_tokens.find_caller(token)
        return self._by_session(token)

    def _by_session(self, token: str) -> Caller:
        said = access_tokens.verify(self._control.signing_keys, token)
        caller = self._control.sessions.find_caller(said.session_id)
        if caller is None or caller.username != said.username:
            raise unknown_credential()
        return caller
