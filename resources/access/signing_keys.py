"""Keys that sign access tokens. One is in use; those before it verify until the last token they signed has expired (A1).

Stored encrypted, each bound to its row. A process that meets a key id it does not know reads it: no restart after a rotation.
"""

from __future__ import annotations

import base64
import re
import secrets
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, text

from domain.errors import NotAuthenticatedError
from resources.access.audit_log import AuditLog
from resources.clock import utc_now
from resources.encryption import Cipher
from resources.postgres.engine import transaction

TOKEN_LIFE = timedelta(hours=24)
_KEY_ID = re.compile(r"^[A-Za-z0-9_-]{8,32}$")
_TTL_S = 5.0
_LOCK = 4_918_233_003


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A secret of 32 bytes. `retired_at` is set once it signs no more."""

    key_id: str
    secret: bytes
    retired_at: datetime | None

    def __repr__(self) -> str:
        return f"SigningKey({self.key_id})"


class SigningKeys:
    """The keys of the database. The one in use is made when there is none."""

    def __init__(self, engine: Engine, cipher: Cipher, audit: AuditLog) -> None:
        self._engine = engine
        self._cipher = cipher
        self._audit = audit
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, SigningKey]] = {}

    def key_in_use(self, connection: Connection) -> SigningKey:
        """The key that signs now, read afresh: a rotation elsewhere holds at once."""
        query = text("SELECT key_id, secret, retired_at FROM signing_keys WHERE retired_at IS NULL")
        row = connection.execute(query).one_or_none()
        if row is None:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            row = connection.execute(query).one_or_none()
        return self._make(connection, utc_now()) if row is None else self._open(row)

    def find(self, key_id: object) -> SigningKey:
        """A key that may verify, at most five seconds old.

        Raises:
            NotAuthenticatedError: there is none of that id, or its last token has expired.
        """
        if not isinstance(key_id, str) or not _KEY_ID.fullmatch(key_id):
            raise unknown_credential()
        with self._lock:
            read_at, known = self._known.get(key_id, (float("-inf"), None))
        if known is None or time.monotonic() - read_at > _TTL_S:
            known = self._read(key_id)
        if known is None or (known.retired_at and known.retired_at + TOKEN_LIFE + timedelta(minutes=5) < utc_now()):
            raise unknown_credential()
        return known

    def rotate(self, *, actor: str, is_emergency: bool = False) -> str:
        """A new key signs from now on; its id.

        Args:
            is_emergency: forget all former keys too (one leaked): every token is refused within five seconds.
        """
        with transaction(self._engine) as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            now = utc_now()
            connection.execute(text("UPDATE signing_keys SET retired_at = :at WHERE retired_at IS NULL"), {"at": now})
            forgotten = now if is_emergency else now - TOKEN_LIFE - timedelta(hours=1)
            gone = connection.execute(
                text("DELETE FROM signing_keys WHERE retired_at <= :until RETURNING key_id"), {"until": forgotten}
            ).scalars()
            document: dict[str, Any] = {"isEmergency": is_emergency, "removed": sorted(gone)}
            key = self._make(connection, now)
            self._audit.record(
                connection,
                actor=actor,
                action="keys.rotate-signing",
                resource="keys",
                resource_id=key.key_id,
                after=document,
            )
        return key.key_id

    def list_keys(self) -> list[dict[str, Any]]:
        """key_id, created_at, retired_at; the newest first."""
        query = text("SELECT key_id, created_at, retired_at FROM signing_keys ORDER BY created_at DESC")
        with transaction(self._engine) as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def _read(self, key_id: str) -> SigningKey | None:
        query = text("SELECT key_id, secret, retired_at FROM signing_keys WHERE key_id = :key_id")
        with transaction(self._engine) as connection:
            row = connection.execute(query, {"key_id": key_id}).one_or_none()
        found = None if row is None else self._open(row)
        with self._lock:
            if found is None:
                self._known.pop(key_id, None)
            else:
                self._known[key_id] = (time.monotonic(), found)
        return found

    def _open(self, row: Any) -> SigningKey:
        plain = self._cipher.decrypt(bytes(row.secret), bound_to=_place(row.key_id))
        return SigningKey(row.key_id, base64.b64decode(plain), row.retired_at)

    def _make(self, connection: Connection, at: datetime) -> SigningKey:
        key = SigningKey(secrets.token_hex(8), secrets.token_bytes(32), None)
        sealed = self._cipher.encrypt(base64.b64encode(key.secret).decode(), bound_to=_place(key.key_id))
        connection.execute(
            text("INSERT INTO signing_keys (key_id, secret, created_at) VALUES (:key_id, :secret, :at)"),
            {"key_id": key.key_id, "secret": sealed, "at": at},
        )
        return key


def _place(key_id: str) -> str:
    return f"signing_keys.secret:{key_id}"


def unknown_credential() -> NotAuthenticatedError:
    """The one answer to every credential that is not good: it never says why."""
    return NotAuthenticatedError(
        "the credential is missing, wrong or expired",
        suggestion="log in again, or send `Authorization: Bearer` with a token (for pushes: HOME/secrets/push.token)",
    )
