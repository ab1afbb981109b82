"""Every attempt to get in, with address, client and outcome (A3); also what tells when one address tries too much."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Engine, text

from domain.errors import RateLimitedError
from resources.json_logs import current_correlation_id
from resources.postgres.engine import transaction

Method = Literal["password", "oidc", "refresh", "api-token", "logout"]
SUCCESS = "success"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SPAN = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Visitor:
    """From where: network address and what the client calls itself (cut to 256 characters), both made harmless."""

    ip: str
    user_agent: str

    @classmethod
    def of(cls, ip: str, user_agent: str) -> Visitor:
        """Of what was given by a stranger."""
        return cls(_clean(ip, 64), _clean(user_agent, 256))


def _clean(given: str, length: int) -> str:
    return _CONTROL.sub("?", given)[:length]


class LoginAudit:
    """Rows of `login_audit`."""

    def __init__(self, engine: Engine, *, failures_per_ip: int) -> None:
        self._engine = engine
        self._failures_per_ip = failures_per_ip

    def record(
        self, connection: Connection, visitor: Visitor, *, username: str, method: Method, outcome: str, at: datetime
    ) -> None:
        """One row, in the transaction of what it tells of."""
        connection.execute(
            text(
                "INSERT INTO login_audit (at, username, ip, user_agent, method, outcome, correlation_id)"
                " VALUES (:at, :username, :ip, :user_agent, :method, :outcome, :correlation_id)"
            ),
            {
                "at": at,
                "username": _clean(username, 128),
                "ip": visitor.ip,
                "user_agent": visitor.user_agent,
                "method": method,
                "outcome": outcome,
                "correlation_id": current_correlation_id(),
            },
        )

    def check_pace(self, ip: str, *, at: datetime) -> None:
        """Refuse an address that failed too often in the last 15 minutes, whoever it wanted to be.

        Raises:
            RateLimitedError: with `retry_after_s`.
        """
        query = text(
            "SELECT at FROM login_audit WHERE ip = :ip AND at > :since AND outcome <> 'success' ORDER BY at DESC"
            " OFFSET :allowed LIMIT 1"
        )
        values = {"ip": ip, "since": at - _SPAN, "allowed": self._failures_per_ip - 1}
        with transaction(self._engine) as connection:
            oldest = connection.execute(query, values).scalar_one_or_none()
        if oldest is not None:
            wait = max(1, round((oldest + _SPAN - at).total_seconds()))
            raise RateLimitedError(
                "too many failed logins from this address", suggestion=f"try again in {wait} s", retry_after_s=wait
            )

    def list_attempts(
        self, *, limit: int, offset: int, username: str | None = None, outcome: str | None = None
    ) -> tuple[list[dict[str, Any]], int]:
        """Newest first, and how many there are."""
        where = "(CAST(:username AS text) IS NULL OR username = :username) AND (CAST(:outcome AS text) IS NULL OR outcome = :outcome)"
        values = {"username": username, "outcome": outcome, "limit": limit, "offset": offset}
        with transaction(self._engine) as connection:
            rows = connection.execute(
                text(
                    "SELECT sequence, at, username, ip, user_agent, method, outcome, correlation_id FROM login_audit"
                    f" WHERE {where} ORDER BY sequence DESC LIMIT :limit OFFSET :offset"
                ),
                values,
            ).mappings()
            found = [dict(row) for row in rows]
            total = connection.execute(text(f"SELECT count(*) FROM login_audit WHERE {where}"), values).scalar_one()
        return found, int(total)

    def purge(self, *, until: datetime) -> int:
        """Delete attempts before that instant and sessions that ended before it; how many rows."""
        with transaction(self._engine) as connection:
            attempts = connection.execute(text("DELETE FROM login_audit WHERE at < :until"), {"until": until}).rowcount
            sessions = connection.execute(
                text("DELETE FROM sessions WHERE expires_at < :until OR revoked_at < :until"), {"until": until}
            ).rowcount
        return attempts + sessions
