"""Logging in and out: password checked, failures counted, sessions opened, spent and ended, every attempt written down (A1, A3).

Unknown user, wrong password, locked and disabled all take the same time and give the same answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, text

from domain.access.lockout import compute_lock
from domain.access.passwords import check_password
from domain.access.permissions import Caller, Role
from domain.errors import ConflictError, InputDataError, NotAuthenticatedError
from resources.access import access_tokens
from resources.access.audit_log import AuditLog
from resources.access.login_audit import SUCCESS, LoginAudit, Method, Visitor
from resources.access.password_hashes import PasswordHashes
from resources.access.sessions import OpenSession, Sessions
from resources.access.signing_keys import TOKEN_LIFE, SigningKeys, unknown_credential
from resources.access.users import USERNAME
from resources.clock import utc_now
from resources.postgres.engine import transaction


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """What a client gets; the tokens are shown nowhere else."""

    caller: Caller
    access_token: str
    refresh_token: str
    expires_in_s: int

    def __repr__(self) -> str:
        return f"LoggedIn({self.caller.username})"


class Login:
    """One per process; all state is in the database."""

    def __init__(
        self,
        engine: Engine,
        *,
        hashes: PasswordHashes,
        sessions: Sessions,
        keys: SigningKeys,
        login_audit: LoginAudit,
        audit: AuditLog,
    ) -> None:
        self._engine = engine
        self._hashes = hashes
        self._sessions = sessions
        self._keys = keys
        self._login_audit = login_audit
        self._audit = audit

    def with_password(
        self, username: str, password: str, *, ip: str, user_agent: str, at: datetime | None = None
    ) -> LoggedIn:
        """Open a session.

        Raises:
            NotAuthenticatedError: it does not say why. RateLimitedError: too many failures from this address.
        """
        visitor, now = Visitor.of(ip, user_agent), at or utc_now()
        name, stored = self._check(username, password, visitor, now)
        with transaction(self._engine) as connection:
            outcome = self._settle(connection, name, stored, password=password, now=now)
            self._login_audit.record(connection, visitor, username=username, method="password", outcome=outcome, at=now)
            opened = None
            if outcome == SUCCESS:
                opened = self._sessions.open(connection, name, visitor=visitor, at=now)
                logged_in = self._hand_out(connection, opened, now)
        if opened is None:
            raise wrong_login()
        return logged_in

    def verify_person(self, username: str, password: str, *, ip: str, user_agent: str) -> Caller:
        """Who this is, without a session: for the command line. Counts, locks and writes down like any login.

        Raises:
            NotAuthenticatedError, RateLimitedError: as `with_password`.
        """
        name, row = self._prove(username, password, Visitor.of(ip, user_agent))
        return Caller(name, Role(row.role), has_to_change_password=row.has_to_change_password)

    def open_for(
        self, connection: Connection, username: str, *, visitor: Visitor, method: Method, at: datetime
    ) -> LoggedIn:
        """A session for somebody whom another party vouches for (OIDC), in the caller's transaction."""
        opened = self._sessions.open(connection, username, visitor=visitor, at=at)
        connection.execute(
            text("UPDATE users SET last_login_at = :at WHERE username = :name"), {"at": at, "name": username}
        )
        self._login_audit.record(connection, visitor, username=username, method=method, outcome=SUCCESS, at=at)
        return self._hand_out(connection, opened, at)

    def refresh(self, refresh_token: str, *, ip: str, user_agent: str) -> LoggedIn:
        """The next pair of tokens of a session; the given one is spent.

        Raises:
            NotAuthenticatedError: it is not the one in force. If it was before, its session is ended.
        """
        visitor, now = Visitor.of(ip, user_agent), utc_now()
        with transaction(self._engine) as connection:
            opened = self._sessions.refresh(connection, refresh_token, at=now)
            thief = None if opened else self._sessions.end_stolen(connection, refresh_token, at=now)
            outcome = SUCCESS if opened else "token-used-twice" if thief else "unknown-token"
            name = opened.username if opened else thief or ""
            self._login_audit.record(connection, visitor, username=name, method="refresh", outcome=outcome, at=now)
            if opened:
                logged_in = self._hand_out(connection, opened, now)
        if opened is None:
            raise unknown_credential()
        return logged_in

    def log_out(self, caller: Caller, *, ip: str, user_agent: str) -> None:
        """End the caller's session, in every process at once."""
        now = utc_now()
        with transaction(self._engine) as connection:
            self._sessions.end(
                connection, username=caller.username, session_id=caller.session_id, reason="logout", at=now
            )
            self._login_audit.record(
                connection,
                Visitor.of(ip, user_agent),
                username=caller.username,
                method="logout",
                outcome=SUCCESS,
                at=now,
            )

    def change_password(self, caller: Caller, present: str, wanted: str, *, ip: str, user_agent: str) -> None:
        """One's own password; all other sessions end.

        Raises:
            InputDataError: the new one is not acceptable. NotAuthenticatedError: the present one is wrong (it counts).
            ConflictError: it was changed at the same moment.
        """
        check_password(wanted, username=caller.username)
        if wanted == present:
            raise InputDataError("the new password is the present one", suggestion="choose another")
        _, proven = self._prove(caller.username, present, Visitor.of(ip, user_agent))
        hashed, now = self._hashes.hash(wanted), utc_now()
        with transaction(self._engine) as connection:
            stored = _find(connection, caller.username, is_locking=True)
            if stored is None or stored.password_hash != proven.password_hash:
                raise ConflictError("the password was changed at the same moment", suggestion="log in again")
            connection.execute(
                text(
                    "UPDATE users SET password_hash = :hash, has_to_change_password = false, revision = revision + 1"
                    " WHERE username = :name"
                ),
                {"hash": hashed, "name": caller.username},
            )
            ended = self._sessions.end(
                connection, username=caller.username, reason="password changed", at=now, spared=caller.session_id
            )
            self._audit.record(
                connection,
                actor=caller.username,
                action="user.change-password",
                resource="users",
                resource_id=caller.username,
                after={"sessionsEnded": ended},
            )

    def end_own_session(self, caller: Caller, session_id: str) -> int:
        """End one of the caller's sessions; 0 when it is not his or did not stand."""
        with transaction(self._engine) as connection:
            ended = self._sessions.end(
                connection, username=caller.username, session_id=session_id, reason="ended by its user", at=utc_now()
            )
            if ended:
                self._audit.record(
                    connection, actor=caller.username, action="session.end", resource="sessions", resource_id=session_id
                )
        return ended

    def _prove(self, username: str, password: str, visitor: Visitor) -> tuple[str, Any]:
        """The name and the row of whom this password belongs to; one attempt like any other."""
        now = utc_now()
        name, stored = self._check(username, password, visitor, now)
        with transaction(self._engine) as connection:
            outcome = self._settle(connection, name, stored, password=password, now=now)
            self._login_audit.record(connection, visitor, username=username, method="password", outcome=outcome, at=now)
            row = _find(connection, name) if outcome == SUCCESS else None
        if row is None:
            raise wrong_login()
        return name, row

    def _check(self, username: str, password: str, visitor: Visitor, now: datetime) -> tuple[str, str | None]:
        """The name and the hash that the password fits; no hash where it fits none."""
        self._login_audit.check_pace(visitor.ip, at=now)
        name = username.lower()
        found = None
        if re.fullmatch(USERNAME, name):
            with transaction(self._engine) as connection:
                found = _find(connection, name)
        stored = found.password_hash if found else None
        return name, stored if self._hashes.verify(stored, password) else None

    def _settle(self, connection: Connection, name: str, stored: str | None, *, password: str, now: datetime) -> str:
        """The outcome, with its consequences. Locks the row: of many attempts at once each sees the count of those before."""
        found = _find(connection, name, is_locking=True) if re.fullmatch(USERNAME, name) else None
        if found is None:
            return "unknown-user"
        if found.locked_until is not None and found.locked_until > now:
            return "locked"
        if stored is None or stored != found.password_hash:
            return _count_failure(connection, name, found.failed_attempts + 1, now)
        if not found.is_active:
            return "disabled"
        kept = self._hashes.hash(password) if self._hashes.is_outdated(stored) else stored
        connection.execute(
            text(
                "UPDATE users SET failed_attempts = 0, locked_until = NULL, last_login_at = :at, password_hash = :hash"
                " WHERE username = :name"
            ),
            {"at": now, "hash": kept, "name": name},
        )
        return SUCCESS

    def _hand_out(self, connection: Connection, opened: OpenSession, now: datetime) -> LoggedIn:
        key = self._keys.key_in_use(connection)
        expires_at = min(now + TOKEN_LIFE, opened.expires_at)
        token = access_tokens.sign(
            key,
            username=opened.username,
            role=opened.role.value,
            session_id=opened.session_id,
            at=now,
            expires_at=expires_at,
        )
        caller = Caller(
            opened.username,
            opened.role,
            session_id=opened.session_id,
            has_to_change_password=opened.has_to_change_password,
        )
        return LoggedIn(caller, token, opened.refresh_token, int((expires_at - now) / timedelta(seconds=1)))


def wrong_login() -> NotAuthenticatedError:
    """The one answer to every login that fails."""
    return NotAuthenticatedError(
        "user name or password is wrong, or the account is locked",
        suggestion="try again; after several failures wait 15 minutes or ask an ADMIN",
    )


def _count_failure(connection: Connection, name: str, failed: int, now: datetime) -> str:
    lock = compute_lock(failed)
    connection.execute(
        text("UPDATE users SET failed_attempts = :failed, locked_until = :until WHERE username = :name"),
        {"failed": failed, "until": now + lock if lock else None, "name": name},
    )
    return "wrong-password"


def _find(connection: Connection, name: str, *, is_locking: bool = False) -> Any:
    columns = "role, password_hash, is_active, has_to_change_password, failed_attempts, locked_until"
    query = f"SELECT {columns} FROM users WHERE username = :name{' FOR UPDATE' if is_locking else ''}"
    return connection.execute(text(query), {"name": name}).one_or_none()
