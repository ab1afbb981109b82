"""Access tokens: JWT, HMAC-SHA256, 24 hours (A1). Only signing and verifying; whether the session still stands is asked elsewhere."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt

from resources.access.signing_keys import TOKEN_LIFE, SigningKey, SigningKeys, unknown_credential

ISSUER = "etlmon"
AUDIENCE = "etlmon-api"
_ALGORITHM = "HS256"
_LONGEST = 4096
_LEEWAY = timedelta(seconds=5)
_SESSION = re.compile(r"[0-9a-f]{32}")
_CLAIMS = ["iss", "aud", "sub", "sid", "role", "iat", "nbf", "exp", "jti"]


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a good token says."""

    username: str
    session_id: str


def sign(key: SigningKey, *, username: str, role: str, session_id: str, at: datetime, expires_at: datetime) -> str:
    """A token of at most 24 hours."""
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": username,
        "sid": session_id,
        "role": role,
        "iat": at,
        "nbf": at,
        "exp": min(at + TOKEN_LIFE, expires_at),
        "jti": secrets.token_hex(16),
    }
    return jwt.encode(claims, key.secret, algorithm=_ALGORITHM, headers={"kid": key.key_id})


def verify(keys: SigningKeys, token: str) -> AccessToken:
    """What the token says, once algorithm, key, signature, issuer, audience and all times are found good.

    Raises:
        NotAuthenticatedError: anything else; it does not say what.
    """
    if len(token) > _LONGEST:
        raise unknown_credential()
    try:
        header = jwt.get_unverified_header(token)
        if header.get("alg") != _ALGORITHM:
            raise unknown_credential()
        key = keys.find(header.get("kid"))
        claims = jwt.decode(
            token,
            key.secret,
            algorithms=[_ALGORITHM],
            issuer=ISSUER,
            audience=AUDIENCE,
            leeway=_LEEWAY,
            options={"require": _CLAIMS},
        )
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError, OverflowError):
        raise unknown_credential() from None
    return _read(claims, key)


def _read(claims: dict[str, Any], key: SigningKey) -> AccessToken:
    """A token that claims to be younger than its key's retirement was not made by us."""
    username, session_id = claims["sub"], claims["sid"]
    is_late = key.retired_at is not None and claims["iat"] > key.retired_at.timestamp() + 60
    is_long = claims["exp"] - claims["iat"] > TOKEN_LIFE.total_seconds()
    is_named = isinstance(session_id, str) and _SESSION.fullmatch(session_id)
    if is_late or is_long or not is_named:
        raise unknown_credential()
    return AccessToken(username, session_id)
