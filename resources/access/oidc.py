"""Login by an identity provider: authorization code with PKCE, state and nonce; then the person becomes one of our users (A1).

What has to survive the trip to the provider is a cookie, sealed and bound to its purpose: any process can take the answer.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, text

from domain.access.permissions import Role
from domain.access.return_path import parse_return_path
from domain.access.role_mapping import decide_role, parse_roles
from domain.errors import ConflictError, NotAuthenticatedError, NotFoundError, StorageError
from resources.access.login import LoggedIn
from resources.access.login_audit import Visitor
from resources.access.oidc_provider import Client, IdTokenError, OidcProvider
from resources.access.users import USERNAME
from resources.clock import utc_now
from resources.control_plane import ControlPlane
from resources.postgres.engine import transaction

CALLBACK = "/api/v1/auth/oidc/callback"
TRIP = timedelta(minutes=10)
_PURPOSE = "cookie:oidc"


@dataclass(frozen=True, slots=True)
class Departure:
    """Where to send the browser, and the cookie that it brings back."""

    url: str
    cookie: str


class RefusedError(Exception):
    """Why, for the login audit."""


class OidcLogin:
    """One per process; nothing is kept in memory between departure and arrival."""

    def __init__(self, control: ControlPlane, provider: OidcProvider) -> None:
        self._control = control
        self._provider = provider
        self._roles = parse_roles(control.settings.oidc_roles)

    def depart(self, return_path: str) -> Departure:
        """Begin: the browser goes to the provider.

        Raises:
            SourceError, ConfigurationError: the provider is not there, or not the one configured.
        """
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        url = self._provider.authorization_url(state=state, nonce=nonce, verifier=verifier)
        trip = {
            "state": state,
            "nonce": nonce,
            "verifier": verifier,
            "next": parse_return_path(return_path),
            "until": (utc_now() + TRIP).timestamp(),
        }
        sealed = self._control.cipher.encrypt(orjson.dumps(trip).decode(), bound_to=_PURPOSE)
        return Departure(url, base64.urlsafe_b64encode(sealed).decode())

    def arrive(
        self, cookie: str, *, state: str, code: str, issuer: str | None, visitor: Visitor
    ) -> tuple[LoggedIn, str]:
        """End: the session, and the path of ours to go to.

        Raises:
            NotAuthenticatedError: whatever was wrong; the login audit says what.
            RateLimitedError: too many failures from this address.
        """
        now, name = utc_now(), ""
        self._control.login_audit.check_pace(visitor.ip, at=now)
        try:
            trip = self._open(cookie, state, now)
            self._check_issuer(issuer)
            claims = self._provider.claims_of(code, verifier=trip["verifier"], nonce=trip["nonce"])
            name = str(claims.get("preferred_username") or claims["sub"])
            username = self._admit(claims)
            with transaction(self._control.engine) as connection:
                self._refuse_disabled(connection, username)
                return self._control.login.open_for(connection, username, visitor=visitor, method="oidc", at=now), trip[
                    "next"
                ]
        except (RefusedError, IdTokenError) as error:
            outcome = str(error) if isinstance(error, RefusedError) else "bad-token"
        with transaction(self._control.engine) as connection:
            self._control.login_audit.record(connection, visitor, username=name, method="oidc", outcome=outcome, at=now)
        raise NotAuthenticatedError(
            "the login by the identity provider did not succeed",
            suggestion="begin again; an ADMIN finds why in the login audit",
        )

    def _check_issuer(self, said: str | None) -> None:
        """RFC 9207: a provider that names itself must be the one we sent the browser to."""
        if said is not None and said.rstrip("/") != (self._control.settings.oidc_issuer or "").rstrip("/"):
            raise RefusedError("foreign-issuer")

    def _open(self, cookie: str, state: str, now: datetime) -> dict[str, Any]:
        try:
            sealed = base64.urlsafe_b64decode(cookie[:4096])
            trip: dict[str, Any] = orjson.loads(self._control.cipher.decrypt(sealed, bound_to=_PURPOSE))
        except (StorageError, binascii.Error, ValueError):
            raise RefusedError("bad-state") from None
        if trip["until"] < now.timestamp() or not hmac.compare_digest(trip["state"].encode(), state.encode()):
            raise RefusedError("bad-state")
        return trip

    def _admit(self, claims: dict[str, Any]) -> str:
        """The user of ours whom the claims speak of; made or given another role where the settings say so."""
        settings = self._control.settings
        subject = f"{claims['iss']}|{claims['sub']}"
        role = decide_role(claims, claim=settings.oidc_role_claim, roles=self._roles)
        if role is None and self._roles:
            raise RefusedError("no-role")
        with transaction(self._control.engine) as connection:
            row = connection.execute(
                text("SELECT username, role, is_active FROM users WHERE oidc_subject = :subject"), {"subject": subject}
            ).one_or_none()
        if row is None:
            return self._create(claims, subject, role or Role.VIEWER)
        if role is not None and row.is_active and role.value != row.role:
            self._control.users.change(row.username, actor="oidc", role=role)
        username: str = row.username
        return username

    def _create(self, claims: dict[str, Any], subject: str, role: Role) -> str:
        """A new user under the name the provider gives; a name that is taken is never handed over."""
        if not self._control.settings.oidc_auto_create:
            raise RefusedError("unknown-user")
        name = str(claims.get("preferred_username") or claims.get("email") or "").lower()
        if not re.fullmatch(USERNAME, name):
            raise RefusedError("no-name")
        try:
            with transaction(self._control.engine) as connection:
                self._control.users.insert(
                    connection, name, role, actor="oidc", password_hash=None, oidc_subject=subject
                )
        except ConflictError:
            raise RefusedError("name-taken") from None
        return name

    @staticmethod
    def _refuse_disabled(connection: Connection, username: str) -> None:
        query = text("SELECT is_active FROM users WHERE username = :name FOR SHARE")
        if not connection.execute(query, {"name": username}).scalar_one():
            raise RefusedError("disabled")


def open_oidc(control: ControlPlane) -> OidcLogin:
    """The login of the configured provider.

    Raises:
        NotFoundError: none is configured.
    """
    settings = control.settings
    if not settings.oidc_issuer or not settings.oidc_client_id:
        raise NotFoundError(
            "no identity provider is configured", suggestion="set ETLMON_OIDC_ISSUER and ETLMON_OIDC_CLIENT_ID"
        )
    scheme = "https" if settings.tls_cert_file else "http"
    ours = settings.public_url or f"{scheme}://{settings.api_host}:{settings.api_port}"
    secret = settings.oidc_client_secret.get_secret_value() if settings.oidc_client_secret else None
    client = Client(settings.oidc_client_id, secret, f"{ours}{CALLBACK}")
    return OidcLogin(control, OidcProvider(settings.oidc_issuer, client))
