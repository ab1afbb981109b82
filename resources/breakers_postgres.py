"""Circuit breakers in the table `circuit_breakers`: shared by all processes, listed and reset by an admin (A14)."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from domain.circuit_breaker import Breaker, BreakerRules, BreakerState, Outcome, reset
from domain.errors import NotFoundError, StorageUnavailableError
from resources.access.audit_log import AuditLog
from resources.breakers import Breakers, Change, Decision, process_breakers
from resources.clock import utc_now
from resources.postgres.engine import make_engine, transaction
from resources.postgres.url import DatabaseUrl
from resources.settings import Settings

_PATIENCE = "2s"


def identify_breaker(name: str) -> str:
    """Twelve hex digits: they stand for the name where its slashes cannot, and where its address must not be told."""
    return hashlib.sha256(name.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class StoredBreaker:
    """A row, for people."""

    name: str
    breaker: Breaker
    last_error: str
    reset_by: str

    @property
    def breaker_id(self) -> str:
        """See `identify_breaker`."""
        return identify_breaker(self.name)


class PostgresBreakers:
    """A `resources.breakers.BreakerStore`. Every statement has two seconds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def change(self, name: str, decide: Decision) -> Change:
        """See `BreakerStore.change`; the lock is that of the row."""
        with self._impatient() as connection:
            row = _select(connection, name, is_locking=True)
            if row is None:
                connection.execute(
                    text(
                        "INSERT INTO circuit_breakers (name, state, updated_at) VALUES (:name, 'CLOSED', :at)"
                        " ON CONFLICT DO NOTHING"
                    ),
                    {"name": name, "at": utc_now()},
                )
                row = _select(connection, name, is_locking=True)
            before = _breaker(row)
            after, is_permitted, words = decide(before)
            if after != before or words:
                _update(connection, name, after, words)
        return Change(before, after, is_permitted)

    def read(self, name: str) -> Breaker | None:
        """See `BreakerStore.read`."""
        with self._impatient() as connection:
            row = _select(connection, name)
        return None if row is None else _breaker(row)

    def list_breakers(self) -> list[StoredBreaker]:
        """All of them, by name."""
        with transaction(self._engine) as connection:
            rows = connection.execute(text("SELECT * FROM circuit_breakers ORDER BY name")).all()
        return [StoredBreaker(row.name, _breaker(row), row.last_error or "", row.reset_by or "") for row in rows]

    def reset(self, breaker_id: str, *, actor: str, audit: AuditLog) -> StoredBreaker:
        """Close it by hand; every process sees it within a second.

        Raises:
            NotFoundError: no breaker has this id.
        """
        found = next((one for one in self.list_breakers() if one.breaker_id == breaker_id), None)
        if found is None:
            raise NotFoundError(
                f"there is no circuit breaker {breaker_id!r}", suggestion="GET /api/v1/breakers lists them"
            )
        with transaction(self._engine) as connection:
            before = _breaker(_select(connection, found.name, is_locking=True))
            after = reset(before, now=utc_now())
            _update(connection, found.name, after, None)
            connection.execute(
                text("UPDATE circuit_breakers SET reset_by = :actor WHERE name = :name"),
                {"actor": actor, "name": found.name},
            )
            audit.record(
                connection,
                actor=actor,
                action="breaker.reset",
                resource="breakers",
                resource_id=found.name,
                before={"state": before.state.value},
                after={"state": after.state.value},
            )
        return StoredBreaker(found.name, after, found.last_error, actor)

    @contextmanager
    def _impatient(self) -> Iterator[Connection]:
        try:
            with transaction(self._engine) as connection:
                connection.execute(text(f"SET LOCAL statement_timeout = '{_PATIENCE}'"))
                yield connection
        except SQLAlchemyError as error:  # a pool without a free connection is no error of the driver
            raise StorageUnavailableError(
                f"the circuit breakers cannot be stored: {type(error).__name__}", suggestion="is PostgreSQL busy?"
            ) from error


def rules_of(settings: Settings) -> BreakerRules:
    """The rules that the settings state."""
    return BreakerRules(
        failure_rate_pct=settings.breaker_failure_rate_pct,
        slow_rate_pct=settings.breaker_slow_rate_pct,
        slow_call_s=settings.breaker_slow_call_s,
        wait_s=settings.breaker_wait_s,
    )


class _Sharing:
    """How many blocks of this process share through which database."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.url: DatabaseUrl | None = None
        self.engine: Engine | None = None
        self.users = 0


_SHARING = _Sharing()


@contextmanager
def shared_breakers(settings: Settings, url: DatabaseUrl) -> Iterator[Breakers]:
    """The breakers of this process, shared through this database for the length of the block. Blocks may nest and overlap."""
    breakers = process_breakers()
    with _SHARING.lock:
        if _SHARING.url != url:
            _close(breakers)
            _SHARING.engine = make_engine(url, pool_size=1, max_overflow=1, pool_timeout=2)
            _SHARING.url, _SHARING.users = url, 0
            breakers.attach(PostgresBreakers(_SHARING.engine), rules_of(settings))
        _SHARING.users += 1
    try:
        yield breakers
    finally:
        breakers.flush()
        with _SHARING.lock:
            if _SHARING.url == url:
                _SHARING.users -= 1
                if _SHARING.users == 0:
                    _close(breakers)


def _close(breakers: Breakers) -> None:
    if _SHARING.engine is not None:
        breakers.attach(None, BreakerRules())
        _SHARING.engine.dispose()
    _SHARING.url, _SHARING.engine = None, None


def _select(connection: Connection, name: str, *, is_locking: bool = False) -> Any:
    lock = " FOR UPDATE" if is_locking else ""
    return connection.execute(
        text(f"SELECT * FROM circuit_breakers WHERE name = :name{lock}"), {"name": name}
    ).one_or_none()


def _update(connection: Connection, name: str, breaker: Breaker, words: str | None) -> None:
    connection.execute(
        text(
            "UPDATE circuit_breakers SET state = :state, calls = CAST(:calls AS jsonb), opened_at = :opened_at,"
            " half_open_permits = :permits, times_opened = :times_opened, last_error = coalesce(:words, last_error),"
            " updated_at = :at WHERE name = :name"
        ),
        {
            "state": breaker.state.value,
            "calls": json.dumps([call.value for call in breaker.calls]),
            "opened_at": breaker.opened_at,
            "permits": breaker.permits,
            "times_opened": breaker.times_opened,
            "words": words,
            "at": breaker.changed_at or utc_now(),
            "name": name,
        },
    )


def _breaker(row: Any) -> Breaker:
    opened_at: datetime | None = row.opened_at
    return Breaker(
        state=BreakerState(row.state),
        calls=tuple(Outcome(call) for call in row.calls),
        opened_at=opened_at,
        permits=row.half_open_permits,
        times_opened=row.times_opened,
        changed_at=row.updated_at,
    )
