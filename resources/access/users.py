"""People who log in: made, changed and disabled by admins. Nobody is ever deleted, so that the past keeps its names (A1, A2)."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, text

from domain.access.passwords import check_password
from domain.access.permissions import Role
from domain.errors import ConflictError, InputDataError, NotFoundError, StaleEditError
from resources.access.audit_log import AuditLog
from resources.access.password_hashes import PasswordHashes
from resources.access.sessions import Sessions
from resources.clock import utc_now
from resources.postgres.engine import transaction

USERNAME = r"^[a-z][a-z0-9._@-]{1,63}$"
#: What the platform signs its own acts with: nobody may look like it in audit, timeline and approvals.
RESERVED = frozenset({"rule-file", "release", "push-token", "detection", "system", "etlmon"})
_COLUMNS = (
    "username, role, is_active, has_to_change_password, failed_attempts, locked_until, created_by, created_at, last_login_at,"
    " revision, (password_hash IS NOT NULL) AS has_password, oidc_subject"
)
_AUDITED = ("username", "role", "is_active", "has_to_change_password", "locked_until", "oidc_subject", "revision")


@dataclass(frozen=True, slots=True)
class User:
    """A row without its hash."""

    username: str
    role: Role
    is_active: bool
    has_to_change_password: bool
    failed_attempts: int
    locked_until: datetime | None
    created_by: str
    created_at: datetime
    last_login_at: datetime | None
    revision: int
    has_password: bool
    oidc_subject: str | None

    def as_audited(self) -> dict[str, Any]:
        """The part that changes by decision."""
        return {name: getattr(self, name) for name in _AUDITED}


class Users:
    """Rows of `users`. Each change is one transaction that ends with its audit entry."""

    def __init__(self, engine: Engine, *, hashes: PasswordHashes, sessions: Sessions, audit: AuditLog) -> None:
        self._engine = engine
        self._hashes = hashes
        self._sessions = sessions
        self._audit = audit

    def read(self, username: str) -> User:
        """One user.

        Raises:
            NotFoundError: there is none of that name.
        """
        with transaction(self._engine) as connection:
            return _read(connection, username)

    def list_users(self, *, limit: int, offset: int) -> tuple[list[User], int]:
        """By name, and how many there are."""
        query = text(f"SELECT {_COLUMNS} FROM users ORDER BY username LIMIT :limit OFFSET :offset")
        with transaction(self._engine) as connection:
            rows = connection.execute(query, {"limit": limit, "offset": offset}).mappings().all()
            total = connection.execute(text("SELECT count(*) FROM users")).scalar_one()
        return [_user(row) for row in rows], int(total)

    def create(self, username: str, role: Role, *, actor: str, password: str | None = None) -> str:
        """A new user who has to change his password at the first login; the password (made here when none is given).

        Raises:
            InputDataError: the name or the password is not acceptable. ConflictError: the name is taken.
        """
        name = check_username(username)
        chosen = _chosen(password, name)
        hashed = self._hashes.hash(chosen)
        with transaction(self._engine) as connection:
            self.insert(connection, name, role, actor=actor, password_hash=hashed)
        return chosen

    def create_for_provider(self, username: str, role: Role, *, actor: str, oidc_subject: str) -> None:
        """A new user without a password, who logs in by the identity provider. `oidc_subject` is "issuer|sub".

        Raises:
            InputDataError: the name is not acceptable. ConflictError: name or subject is taken.
        """
        name = check_username(username)
        with transaction(self._engine) as connection:
            self.insert(connection, name, role, actor=actor, password_hash=None, oidc_subject=oidc_subject)

    def insert(
        self,
        connection: Connection,
        username: str,
        role: Role,
        *,
        actor: str,
        password_hash: str | None,
        oidc_subject: str | None = None,
    ) -> None:
        """The row and its audit entry, in the caller's transaction.

        Raises:
            ConflictError: the name is taken.
        """
        made = connection.execute(
            text(
                "INSERT INTO users (username, role, password_hash, oidc_subject, has_to_change_password, created_by, created_at)"
                " VALUES (:name, :role, :hash, :subject, :change, :actor, :at) ON CONFLICT DO NOTHING RETURNING username"
            ),
            {
                "name": username,
                "role": role.value,
                "hash": password_hash,
                "subject": oidc_subject,
                "change": password_hash is not None,
                "actor": actor,
                "at": utc_now(),
            },
        ).one_or_none()
        if made is None:
            raise ConflictError(
                f"there is a user {username} already", suggestion="choose another name, or enable that one"
            )
        self._record(connection, "user.create", actor, before=None, after=_read(connection, username))

    def change(
        self,
        username: str,
        *,
        actor: str,
        role: Role | None = None,
        is_active: bool | None = None,
        revision: int | None = None,
    ) -> User:
        """Another role, disabled or enabled. A change of either ends all sessions at once.

        Raises:
            NotFoundError, StaleEditError. ConflictError: he is the last active ADMIN.
        """
        with transaction(self._engine) as connection:
            connection.execute(
                text("SELECT username FROM users WHERE role = 'ADMIN' AND is_active ORDER BY username FOR UPDATE")
            )
            before = _read(connection, username, is_locking=True)
            _check_revision(before, revision)
            wanted_role = before.role if role is None else role
            wanted_active = before.is_active if is_active is None else is_active
            if (wanted_role, wanted_active) == (before.role, before.is_active):
                return before
            _keep_an_admin(connection, before, wanted_role, is_active=wanted_active)
            connection.execute(
                text(
                    "UPDATE users SET role = :role, is_active = :active, revision = revision + 1 WHERE username = :name"
                ),
                {"role": wanted_role.value, "active": wanted_active, "name": username},
            )
            reason = "role changed" if wanted_active else "user disabled"
            self._sessions.end(connection, username=username, reason=reason, at=utc_now())
            after = _read(connection, username)
            self._record(connection, "user.change", actor, before=before, after=after)
        return after

    def reset_password(self, username: str, *, actor: str, password: str | None = None) -> str:
        """A password that has to be changed at the next login; it also unlocks, and all sessions end. The password.

        Raises:
            NotFoundError. InputDataError: the password is not acceptable.
        """
        chosen = _chosen(password, username)
        hashed = self._hashes.hash(chosen)
        with transaction(self._engine) as connection:
            before = _read(connection, username, is_locking=True)
            connection.execute(
                text(
                    "UPDATE users SET password_hash = :hash, has_to_change_password = true, failed_attempts = 0,"
                    " locked_until = NULL, revision = revision + 1 WHERE username = :name"
                ),
                {"hash": hashed, "name": username},
            )
            self._sessions.end(connection, username=username, reason="password reset", at=utc_now())
            self._record(connection, "user.reset-password", actor, before=before, after=_read(connection, username))
        return chosen

    def unlock(self, username: str, *, actor: str) -> User:
        """Failed attempts forgotten, the lock gone.

        Raises:
            NotFoundError: there is none of that name.
        """
        with transaction(self._engine) as connection:
            before = _read(connection, username, is_locking=True)
            if not before.failed_attempts and before.locked_until is None:
                return before
            connection.execute(
                text(
                    "UPDATE users SET failed_attempts = 0, locked_until = NULL, revision = revision + 1 WHERE username = :name"
                ),
                {"name": username},
            )
            after = _read(connection, username)
            self._record(connection, "user.unlock", actor, before=before, after=after)
        return after

    def end_sessions(self, username: str, *, actor: str) -> int:
        """Log him out everywhere; how many sessions stood.

        Raises:
            NotFoundError: there is none of that name.
        """
        with transaction(self._engine) as connection:
            _read(connection, username)
            ended = self._sessions.end(connection, username=username, reason=f"ended by {actor}", at=utc_now())
            self._audit.record(
                connection,
                actor=actor,
                action="user.end-sessions",
                resource="users",
                resource_id=username,
                after={"ended": ended},
            )
        return ended

    def _record(self, connection: Connection, action: str, actor: str, *, before: User | None, after: User) -> None:
        self._audit.record(
            connection,
            actor=actor,
            action=action,
            resource="users",
            resource_id=after.username,
            before=before.as_audited() if before else None,
            after=after.as_audited(),
        )


def check_username(given: str) -> str:
    """The name as stored.

    Raises:
        InputDataError: not 2-64 of a-z, 0-9, `._@-`, beginning with a letter, or a name that the platform signs with.
    """
    name = given.lower()
    if name in RESERVED:
        raise InputDataError(f"{name} is a name of the platform itself", suggestion="choose another name")
    if not re.fullmatch(USERNAME, name):
        raise InputDataError(
            f"{given[:80]!r} is no user name", suggestion="2 to 64 of a-z, 0-9 and ._@-, beginning with a letter"
        )
    return name


def make_password() -> str:
    """About 119 bits, without letters that look alike, in groups that can be read aloud."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(6)) for _ in range(4))


def _chosen(password: str | None, username: str) -> str:
    if password is None:
        return make_password()
    check_password(password, username=username)
    return password


def _keep_an_admin(connection: Connection, before: User, role: Role, *, is_active: bool) -> None:
    """The rows of all admins are locked: two of them cannot remove each other at the same time."""
    was_admin, stays_admin = before.role is Role.ADMIN and before.is_active, role is Role.ADMIN and is_active
    if not was_admin or stays_admin:
        return
    query = text("SELECT count(*) FROM users WHERE role = 'ADMIN' AND is_active AND username <> :name")
    if connection.execute(query, {"name": before.username}).scalar_one() == 0:
        raise ConflictError(f"{before.username} is the last active ADMIN", suggestion="make somebody else ADMIN first")


def _check_revision(found: User, revision: int | None) -> None:
    if revision is not None and revision != found.revision:
        raise StaleEditError(
            f"{found.username} was changed since you read it (revision {found.revision}, not {revision})",
            suggestion="read it again and repeat the change",
        )


def _read(connection: Connection, username: str, *, is_locking: bool = False) -> User:
    query = f"SELECT {_COLUMNS} FROM users WHERE username = :name{' FOR UPDATE' if is_locking else ''}"
    row = connection.execute(text(query), {"name": username}).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"no user {username!r}", suggestion="`etlmon user list` names them")
    return _user(row)


def _user(row: Any) -> User:
    return User(**{**row, "role": Role(row["role"])})
