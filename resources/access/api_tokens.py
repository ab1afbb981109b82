"""Tokens of machines: `etlmon_<id>_<secret>`, with scopes and an end, shown once, stored as SHA-256 (A1, A2).

A token acts in the name of the user who made it and never does more than he may now; when he is disabled it is refused.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, text

from domain.access.permissions import Caller, Role, is_allowed, list_scopes, weaker_of
from domain.errors import InputDataError, NotFoundError
from resources.access.audit_log import AuditLog
from resources.access.signing_keys import unknown_credential
from resources.clock import utc_now
from resources.postgres.engine import transaction

PREFIX = "etlmon_"
LONGEST = timedelta(days=365)
_SHAPE = re.compile(r"^etlmon_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$")
_COLUMNS = "token_id, name, role, scopes, created_by, created_at, expires_at, revoked_at, last_used_at"


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token; `token` is known only here."""

    token_id: str
    token: str

    def __repr__(self) -> str:
        return f"IssuedToken({self.token_id})"


class ApiTokens:
    """Rows of `api_tokens`."""

    def __init__(self, engine: Engine, audit: AuditLog) -> None:
        self._engine = engine
        self._audit = audit

    def find_caller(self, token: str) -> Caller:
        """The machine, limited to its scopes and to what its maker may now.

        Raises:
            NotAuthenticatedError: malformed, unknown, expired, revoked, or its maker is disabled; it does not say which.
        """
        shape = _SHAPE.fullmatch(token)
        if shape is None:
            raise unknown_credential()
        token_id, secret = shape.groups()
        at = utc_now()
        with transaction(self._engine) as connection:
            row = connection.execute(
                text(
                    "SELECT t.secret_hash, t.role, t.scopes, t.created_by, t.last_used_at, u.role AS role_of_maker"
                    " FROM api_tokens t LEFT JOIN users u ON u.username = t.created_by WHERE t.token_id = :id"
                    " AND t.revoked_at IS NULL AND t.expires_at > :at AND (u.is_active OR t.created_by LIKE 'cli:%')"
                ),
                {"id": token_id, "at": at},
            ).one_or_none()
            if row is None or not hmac.compare_digest(_digest(secret), bytes(row.secret_hash)):
                raise unknown_credential()
            if row.last_used_at is None or at - row.last_used_at > timedelta(minutes=1):
                connection.execute(
                    text("UPDATE api_tokens SET last_used_at = :at WHERE token_id = :id"), {"id": token_id, "at": at}
                )
        role = weaker_of(Role(row.role), Role(row.role_of_maker or row.role))
        return Caller(row.created_by, role, scopes=frozenset(row.scopes), token_id=token_id)

    def issue(self, *, actor: Caller, name: str, role: Role, scopes: list[str], expires_at: datetime) -> IssuedToken:
        """Make a token.

        Raises:
            InputDataError: a scope that the role does not have or that is for persons only; an end beyond 365 days or past.
        """
        at = utc_now()
        _check_scopes(role, scopes)
        if not at < expires_at <= at + LONGEST:
            raise InputDataError(
                "expiresAt must be in the future, at most 365 days from now", suggestion="make a new token when it ends"
            )
        issued, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        row = {
            "token_id": issued,
            "name": name,
            "role": role.value,
            "scopes": sorted(set(scopes)),
            "created_by": actor.username,
            "created_at": at,
            "expires_at": expires_at,
        }
        with transaction(self._engine) as connection:
            connection.execute(
                text(
                    "INSERT INTO api_tokens (token_id, name, secret_hash, role, scopes, created_by, created_at, expires_at)"
                    " VALUES (:token_id, :name, :hash, :role, :scopes, :created_by, :created_at, :expires_at)"
                ),
                {**row, "hash": _digest(secret)},
            )
            self._audit.record(
                connection,
                actor=actor.username,
                action="api-token.create",
                resource="api-tokens",
                resource_id=issued,
                after=row,
            )
        return IssuedToken(issued, f"{PREFIX}{issued}_{secret}")

    def revoke(self, token_id: str, *, actor: str) -> None:
        """It is refused from now on, in every process.

        Raises:
            NotFoundError: there is no such token. Revoking twice changes nothing.
        """
        with transaction(self._engine) as connection:
            before = _read(
                connection.execute(
                    text(f"SELECT {_COLUMNS} FROM api_tokens WHERE token_id = :id FOR UPDATE"), {"id": token_id}
                ),
                token_id,
            )
            if before["revoked_at"] is not None:
                return
            at = utc_now()
            connection.execute(
                text("UPDATE api_tokens SET revoked_at = :at WHERE token_id = :id"), {"id": token_id, "at": at}
            )
            self._audit.record(
                connection, actor=actor, action="api-token.revoke", resource="api-tokens", resource_id=token_id,
                before=before, after={**before, "revoked_at": at},
            )  # fmt: skip

    def read(self, token_id: str) -> dict[str, Any]:
        """One token without its secret.

        Raises:
            NotFoundError: there is none.
        """
        with transaction(self._engine) as connection:
            return _read(
                connection.execute(text(f"SELECT {_COLUMNS} FROM api_tokens WHERE token_id = :id"), {"id": token_id}),
                token_id,
            )

    def list_tokens(self, *, limit: int, offset: int) -> tuple[list[dict[str, Any]], int]:
        """The newest first, secrets left out, and how many there are."""
        query = text(
            f"SELECT {_COLUMNS} FROM api_tokens ORDER BY created_at DESC, token_id LIMIT :limit OFFSET :offset"
        )
        with transaction(self._engine) as connection:
            rows = [dict(row) for row in connection.execute(query, {"limit": limit, "offset": offset}).mappings()]
            return rows, int(connection.execute(text("SELECT count(*) FROM api_tokens")).scalar_one())


def _read(result: Any, token_id: str) -> dict[str, Any]:
    row = result.mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"no API token {token_id!r}", suggestion="GET /api/v1/api-tokens lists them")
    return dict(row)


def _check_scopes(role: Role, scopes: list[str]) -> None:
    grantable = list_scopes(role)
    for scope in scopes:
        if scope in grantable:
            continue
        resource, _, action = scope.partition(":")
        why = "is for persons only" if is_allowed(role, resource, action) else f"is nothing that {role.value} may"
        raise InputDataError(f"the scope {scope!r} {why}", suggestion=f"choose from: {', '.join(grantable)}")
    if not scopes:
        raise InputDataError("a token needs at least one scope", suggestion=f"choose from: {', '.join(grantable)}")


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
