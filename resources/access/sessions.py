"""Sessions: one per login. Access tokens name theirs, so that ending it holds at once in every process (A1).

Refresh tokens are 256 random bits, stored as SHA-256, and each is good for one use: a spent one that comes back was stolen
from somebody, so the session ends.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, text

from domain.access.permissions import Caller, Role
from resources.access.login_audit import Visitor
from resources.clock import utc_now
from resources.postgres.engine import reading, transaction

SESSION_LIFE = timedelta(days=7)
_KEPT = timedelta(days=30)
_STANDS = "s.revoked_at IS NULL AND s.expires_at > :at AND u.is_active"


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session that stands, with the refresh token in force (shown to the client only here)."""

    session_id: str
    username: str
    role: Role
    has_to_change_password: bool
    expires_at: datetime
    refresh_token: str

    def __repr__(self) -> str:
        return f"OpenSession({self.session_id}, {self.username})"


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


class Sessions:
    """Rows of `sessions`. Changes join the transaction of their cause."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find_caller(self, session_id: str) -> Caller | None:
        """Who the session belongs to, with his present role; None when it or the user is no longer good. One indexed query."""
        query = text(
            "SELECT u.username, u.role, u.has_to_change_password FROM sessions s JOIN users u USING (username)"
            f" WHERE s.session_id = :session_id AND {_STANDS}"
        )
        with reading(self._engine) as connection:
            row = connection.execute(query, {"session_id": session_id, "at": utc_now()}).one_or_none()
        if row is None:
            return None
        return Caller(
            row.username, Role(row.role), session_id=session_id, has_to_change_password=row.has_to_change_password
        )

    def open(self, connection: Connection, username: str, *, visitor: Visitor, at: datetime) -> OpenSession:
        """A new session of an existing user; long gone ones of his are removed."""
        token, session_id = secrets.token_urlsafe(32), secrets.token_hex(16)
        connection.execute(
            text("DELETE FROM sessions WHERE username = :username AND expires_at < :gone"),
            {"username": username, "gone": at - _KEPT},
        )
        connection.execute(
            text(
                "INSERT INTO sessions (session_id, username, refresh_hash, created_at, expires_at, ip, user_agent)"
                " VALUES (:session_id, :username, :hash, :at, :expires_at, :ip, :user_agent)"
            ),
            {
                "session_id": session_id,
                "username": username,
                "hash": _digest(token),
                "at": at,
                "expires_at": at + SESSION_LIFE,
                "ip": visitor.ip,
                "user_agent": visitor.user_agent,
            },
        )
        found = self._describe(connection, session_id, token, at)
        if found is None:
            raise AssertionError(username)
        return found

    def refresh(self, connection: Connection, token: str, *, at: datetime) -> OpenSession | None:
        """Spend a refresh token for the next; None when it is not the one in force (a spent one ends its session)."""
        following = secrets.token_urlsafe(32)
        values = {"old": _digest(token), "new": _digest(following), "at": at}
        session_id = connection.execute(
            text(
                "UPDATE sessions s SET refresh_hash = :new FROM users u WHERE u.username = s.username"
                f" AND s.refresh_hash = :old AND {_STANDS} RETURNING s.session_id"
            ),
            values,
        ).scalar_one_or_none()
        if session_id is None:
            return None
        connection.execute(
            text("INSERT INTO spent_refresh_tokens (refresh_hash, session_id) VALUES (:old, :session_id)"),
            {**values, "session_id": session_id},
        )
        return self._describe(connection, session_id, following, at)

    def end_stolen(self, connection: Connection, token: str, *, at: datetime) -> str | None:
        """End the session that this spent refresh token belonged to; its user, None when the token was never ours."""
        query = text(
            "UPDATE sessions SET revoked_at = coalesce(revoked_at, :at), revoked_reason = coalesce(revoked_reason, :reason)"
            " WHERE session_id = (SELECT session_id FROM spent_refresh_tokens WHERE refresh_hash = :hash) RETURNING username"
        )
        values = {"hash": _digest(token), "at": at, "reason": "refresh token used twice"}
        username: str | None = connection.execute(query, values).scalar_one_or_none()
        return username

    def end(
        self,
        connection: Connection,
        *,
        username: str,
        reason: str,
        at: datetime,
        session_id: str | None = None,
        spared: str = "",
    ) -> int:
        """End one session of a user, or all of his but the spared one; how many stood."""
        query = text(
            "UPDATE sessions SET revoked_at = :at, revoked_reason = :reason WHERE username = :username AND revoked_at IS NULL"
            " AND (CAST(:session_id AS text) IS NULL OR session_id = :session_id) AND session_id <> :spared"
        )
        values = {"username": username, "reason": reason, "at": at, "session_id": session_id, "spared": spared}
        return connection.execute(query, values).rowcount

    def list_open(self, username: str) -> list[dict[str, Any]]:
        """session_id, created_at, expires_at, ip, user_agent of those that stand, the newest first."""
        query = text(
            "SELECT s.session_id, s.created_at, s.expires_at, s.ip, s.user_agent FROM sessions s JOIN users u USING (username)"
            f" WHERE s.username = :username AND {_STANDS} ORDER BY s.created_at DESC LIMIT 500"
        )
        with transaction(self._engine) as connection:
            rows = connection.execute(query, {"username": username, "at": utc_now()}).mappings()
            return [dict(row) for row in rows]

    @staticmethod
    def _describe(connection: Connection, session_id: str, token: str, at: datetime) -> OpenSession | None:
        row = connection.execute(
            text(
                "SELECT u.username, u.role, u.has_to_change_password, s.expires_at FROM sessions s JOIN users u USING (username)"
                f" WHERE s.session_id = :session_id AND {_STANDS}"
            ),
            {"session_id": session_id, "at": at},
        ).one_or_none()
        if row is None:
            return None
        return OpenSession(session_id, row.username, Role(row.role), row.has_to_change_password, row.expires_at, token)
