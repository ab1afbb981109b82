"""Rotation of the key that encrypts columns, while everything runs (A5).

A new key becomes the last record of HOME/secrets/encryption.key: every process encrypts under it from its next value on and
still decrypts under the former ones. Then the rows are written anew in small transactions. Killed at any moment, the next
call goes on: what is still under a former key is found in the rows themselves. Only `prune` takes keys away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, text

from domain.errors import ConflictError, StorageError
from resources.access.audit_log import AuditLog
from resources.access.encrypted_columns import ENCRYPTED_COLUMNS, EncryptedColumn
from resources.encryption import KEY_FILE, KEY_ID_BYTES, Cipher, new_key_record, split_keyring
from resources.postgres.engine import transaction
from resources.secret_files import replace_secret_file, secret_file_lock

#: A writer that took the former key must have ended by then, or what it writes could not be read any more.
PRUNE_GRACE = timedelta(minutes=5)
#: Called with (rows done, rows in all).
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class KeyUsage:
    """One key: its id in hex, whether it encrypts now, whether it is in the file, and how many values are under it."""

    key_id: str
    is_primary: bool
    is_in_file: bool
    rows: int


@dataclass(frozen=True, slots=True)
class RotationState:
    """How far a rotation is.

    Attributes:
        is_new_key: this call made the primary key; otherwise it went on with a rotation that had not ended.
        done: values written anew by this call.
        remaining: values that are still under a former key.
        refused: places of values that cannot be decrypted, and why; they stay as they are.
    """

    primary: str
    is_new_key: bool
    done: int
    remaining: int
    refused: tuple[str, ...]

    @property
    def is_finished(self) -> bool:
        """Everything that can be read is under the primary key."""
        return self.remaining <= len(self.refused)


class KeyRotation:
    """Keys and the values under them."""

    def __init__(self, engine: Engine, cipher: Cipher, audit: AuditLog, *, home: Path) -> None:
        self._engine = engine
        self._cipher = cipher
        self._audit = audit
        self._path = home / "secrets" / KEY_FILE

    def list_keys(self) -> list[KeyUsage]:
        """Every key of the file, oldest first, then ids that rows name but the file does not have."""
        with transaction(self._engine) as connection:
            rows = _count_by_key(connection)
        ids, primary = self._cipher.key_ids, self._cipher.primary
        known = [KeyUsage(key.hex(), key == primary, True, rows.pop(key, 0)) for key in ids]
        return known + [KeyUsage(key.hex(), False, False, count) for key, count in sorted(rows.items())]

    def rotate(
        self,
        *,
        actor: str,
        is_new_forced: bool = False,
        batch: int = 200,
        limit: int | None = None,
        progress: Progress | None = None,
    ) -> RotationState:
        """Make a new key and write every value anew under it, or go on with a rotation that did not end.

        Args:
            is_new_forced: make a new key even though values are still under a former one.
            batch: values per transaction.
            limit: values written anew in this call at most; call again until `is_finished`.

        Raises:
            StorageUnavailableError: PostgreSQL went away; call again.
        """
        total = self._remaining()
        is_new = is_new_forced or total == 0
        if is_new:
            self._add_key(actor)
            total = self._remaining()
        refused: list[str] = []
        done = 0
        for column in ENCRYPTED_COLUMNS:
            for is_waiting in (False, True):  # first around the rows that others hold, then those too
                done += self._walk(
                    column, is_waiting=is_waiting, batch=batch, limit=None if limit is None else limit - done,
                    refused=refused, progress=None if progress is None else _shifted(progress, done, total),
                )  # fmt: skip
        state = RotationState(
            self._cipher.primary.hex(), is_new, done, self._remaining(), tuple(dict.fromkeys(refused))
        )
        if done and state.is_finished:
            self._note(actor, "keys.reencrypted", {"values": done, "refused": list(state.refused)})
        return state

    def prune(self, *, actor: str, now: datetime | None = None) -> list[str]:
        """Take away the keys that no value is under; their ids in hex.

        Raises:
            ConflictError: a former key is still in use, or was the primary only minutes ago.
        """
        with secret_file_lock(self._path), transaction(self._engine) as connection:
            tables = ", ".join(dict.fromkeys(column.table for column in ENCRYPTED_COLUMNS))
            connection.execute(text(f"LOCK TABLE {tables} IN SHARE MODE"))
            keys = split_keyring(self._path.read_bytes(), path=self._path)
            primary = next(reversed(keys))
            former = [key for key in keys if key != primary]
            if not former:
                return []
            self._check_prunable(former, _count_by_key(connection), now or datetime.now(UTC))
            self._audit.record(
                connection, actor=actor, action="keys.prune", resource="keys", resource_id=primary.hex(),
                before={"keys": [key.hex() for key in keys]}, after={"keys": [primary.hex()]},
            )  # fmt: skip
            replace_secret_file(self._path, primary + keys[primary])
        return [key.hex() for key in former]

    def _check_prunable(self, former: list[bytes], rows: dict[bytes, int], now: datetime) -> None:
        used = {key.hex(): rows[key] for key in former if rows.get(key)}
        if used:
            raise ConflictError(
                f"values are still under former keys: {', '.join(f'{n} under {key}' for key, n in used.items())}",
                suggestion="run `etlmon keys rotate` to its end first; a value it refuses has to be set again",
            )
        free_at = datetime.fromtimestamp(self._path.stat().st_mtime, UTC) + PRUNE_GRACE
        if now < free_at:
            raise ConflictError(
                "the key changed only minutes ago; a running writer may still hold the former one",
                suggestion=f"try again after {free_at:%Y-%m-%d %H:%M:%S} UTC",
            )

    def _add_key(self, actor: str) -> None:
        with secret_file_lock(self._path):
            content = self._path.read_bytes()
            split_keyring(content, path=self._path)
            record = new_key_record()
            replace_secret_file(self._path, content + record)
        self._note(actor, "keys.rotate", {"primary": record[:KEY_ID_BYTES].hex()})

    def _note(self, actor: str, action: str, after: dict[str, Any]) -> None:
        with transaction(self._engine) as connection:
            primary = self._cipher.primary.hex()
            self._audit.record(
                connection, actor=actor, action=action, resource="keys", resource_id=primary, after=after
            )

    def _remaining(self) -> int:
        with transaction(self._engine) as connection:
            rows = _count_by_key(connection)
        return sum(rows.values()) - rows.get(self._cipher.primary, 0)

    def _walk(
        self,
        column: EncryptedColumn,
        *,
        is_waiting: bool,
        batch: int,
        limit: int | None,
        refused: list[str],
        progress: Progress | None,
    ) -> int:
        done, after = 0, None
        while limit is None or done < limit:
            most = 1 if is_waiting else batch  # one lock at a time: no writer can be waiting for us in turn
            size = most if limit is None else min(most, limit - done)
            with transaction(self._engine) as connection:
                rows = self._take(connection, column, after=after, size=size, is_waiting=is_waiting)
                changed = self._renew(connection, column, rows, refused)
            if not rows:
                break
            done, after = done + changed, tuple(rows[-1][: len(column.keys)])
            if progress:
                progress(done, 0)
        return done

    def _take(
        self,
        connection: Connection,
        column: EncryptedColumn,
        *,
        after: tuple[Any, ...] | None,
        size: int,
        is_waiting: bool,
    ) -> list[Any]:
        """The next rows under a former key in the order of their keys, locked."""
        keys = ", ".join(column.keys)
        beyond = f"({keys}) > ({', '.join(f':after_{key}' for key in column.keys)})" if after else "true"
        values = {f"after_{key}": value for key, value in zip(column.keys, after or (), strict=False)}
        query = text(
            f"SELECT {keys}, {column.column} AS stored FROM {column.table} WHERE {column.column} IS NOT NULL"
            f" AND substring({column.column} FROM 1 FOR {KEY_ID_BYTES}) <> :primary AND {beyond}"
            f" ORDER BY {keys} LIMIT :size FOR UPDATE{'' if is_waiting else ' SKIP LOCKED'}"
        )
        return list(connection.execute(query, {**values, "primary": self._cipher.primary, "size": size}).all())

    def _renew(self, connection: Connection, column: EncryptedColumn, rows: list[Any], refused: list[str]) -> int:
        changes = []
        for *key, stored in rows:
            place = column.binding(*key)
            try:
                plain = self._cipher.decrypt(bytes(stored), bound_to=place)
            except StorageError as error:
                refused.append(error.reason)
                continue
            fresh = self._cipher.encrypt(plain, bound_to=place)
            changes.append({**dict(zip(column.keys, key, strict=True)), "fresh": fresh})
        if changes:
            where = " AND ".join(f"{key} = :{key}" for key in column.keys)
            connection.execute(text(f"UPDATE {column.table} SET {column.column} = :fresh WHERE {where}"), changes)
        return len(changes)


def _count_by_key(connection: Connection) -> dict[bytes, int]:
    parts = " UNION ALL ".join(
        f"SELECT substring({one.column} FROM 1 FOR {KEY_ID_BYTES}) AS key_id FROM {one.table} WHERE {one.column} IS NOT NULL"
        for one in ENCRYPTED_COLUMNS
    )
    rows = connection.execute(text(f"SELECT key_id, count(*) AS n FROM ({parts}) AS found GROUP BY key_id")).all()
    return {bytes(row.key_id): int(row.n) for row in rows}


def _shifted(progress: Progress, before: int, total: int) -> Progress:
    return lambda done, _: progress(before + done, total)
