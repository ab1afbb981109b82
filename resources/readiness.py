"""Whether what the API needs answers: database, migrations, lake, disk, Redis, sources. Each with its latency (A15).

Checks run in threads of their own and are kept for a moment, so that a thousand askers cost no more than one and a check
that hangs costs nobody more than its patience. Only what is required makes the platform not ready; the rest degrades it.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as PatienceError
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import text

from domain.errors import ConfigurationError, EtlmonError, StorageFullError
from domain.loaders.definition import Connection
from domain.vocabulary import SourceKind
from resources.control_plane import ControlPlane
from resources.kept_lake import KeptLake
from resources.postgres.engine import transaction
from resources.postgres.loaders_repository import LoadersRepository
from resources.sources import ping

_MEGABYTE = 1 << 20
_FULL, _TIGHT = 100 * _MEGABYTE, 1024 * _MEGABYTE
_PATIENCE_S = 2.0
_FIRST_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check. `is_ok` None: it is well enough to work with, `reason` says what is not as it should be."""

    name: str
    is_ok: bool | None
    latency_ms: float
    reason: str = ""
    error_type: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReadinessReport:
    """All checks."""

    checks: list[CheckResult]

    @property
    def status(self) -> str:
        """`ready`, `degraded` or `not ready`."""
        if any(check.is_ok is False for check in self.checks):
            return "not ready"
        return "degraded" if any(check.is_ok is None for check in self.checks) else "ready"


class _DegradedError(Exception):
    """Well enough to work with; the arguments are the reason and facts."""


@dataclass(slots=True)
class _Check:
    name: str
    work: Callable[[], dict[str, Any]]
    kept_s: float
    is_required: bool = True
    result: CheckResult | None = None
    done_at: float = float("-inf")
    running: Future[CheckResult] | None = None


class Readiness:
    """The checks of one process."""

    def __init__(self, control: ControlPlane) -> None:
        self._control = control
        self.lake = KeptLake(control.settings, control.url)
        self._pool = ThreadPoolExecutor(max_workers=6, thread_name_prefix="readiness")
        self._checks = [
            _Check("database", self._check_database, 1.0),
            _Check("migrations", self._check_migrations, 1.0),
            _Check("lake", self._check_lake, 2.0),
            _Check("disk", self._check_disk, 5.0),
            _Check("sources", self._check_sources, 30.0, is_required=False),
            *([_Check("redis", self._check_redis, 1.0, is_required=False)] if control.settings.redis_url else []),
        ]

    def report(self) -> ReadinessReport:
        """Everything, at most as old as each check is kept; waits no longer than two seconds, ten the first time."""
        now = time.monotonic()
        is_first = any(check.result is None for check in self._checks if check.is_required)
        for check in self._checks:
            if check.running is None and now - check.done_at > check.kept_s:
                check.running = self._pool.submit(_run, check)
        awaited = [check.running for check in self._checks if check.running and check.is_required]
        wait_for(awaited, timeout=_FIRST_PATIENCE_S if is_first else _PATIENCE_S)
        return ReadinessReport([_collect(check) for check in self._checks])

    def close(self) -> None:
        """Give everything back."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.lake.close()

    def _check_database(self) -> dict[str, Any]:
        self._scalar("SELECT 1")
        return {}

    def _check_migrations(self) -> dict[str, Any]:
        found, wanted = str(self._scalar("SELECT version_num FROM alembic_version")), _head()
        if found != wanted:
            raise ConfigurationError(
                f"the database is at migration {found}, this program needs {wanted}",
                suggestion="`etlmon up` migrates; start the release that fits the database otherwise",
            )
        return {"version": found}

    def _check_lake(self) -> dict[str, Any]:
        self.lake.query("SELECT count(*) AS n FROM watermarks")
        return {}

    def _check_disk(self) -> dict[str, Any]:
        free = shutil.disk_usage(self._control.settings.home).free
        facts = {"freeMb": free // _MEGABYTE}
        if free < _FULL:
            raise StorageFullError(f"{free // _MEGABYTE} MB are free", suggestion="free disk space", **facts)
        if free < _TIGHT:
            raise _DegradedError(f"{free // _MEGABYTE} MB are free", facts)
        return facts

    def _check_redis(self) -> dict[str, Any]:
        try:
            self._control.rate_counter.check()
        except ConnectionError as error:
            raise _DegradedError(str(error), {}) from None
        return {}

    def _check_sources(self) -> dict[str, Any]:
        """Every connection of an ACTIVE loader once, all at the same time."""
        settings = self._control.settings
        users: dict[tuple[str, SourceKind], list[str]] = {}
        connections: dict[tuple[str, SourceKind], Connection | None] = {}
        for loader in LoadersRepository(self._control.engine, self._control.cipher).list_active():
            definition = loader.definition
            if definition.source is SourceKind.PUSH:
                continue
            own = definition.connection
            connection = settings.connections.get(own) if isinstance(own, str) else own
            name = own if isinstance(own, str) else definition.code
            users.setdefault((name, definition.source), []).append(definition.code)
            connections[(name, definition.source)] = connection
        with ThreadPoolExecutor(max_workers=8) as pool:
            asked = {
                key: pool.submit(ping, connection, key[1]) for key, connection in connections.items() if connection
            }
        is_up = {key: asked[key].result().is_ok if key in asked else False for key in connections}
        facts = {
            "sources": [
                {"name": key[0], "kind": key[1].value, "ok": is_up[key], "loaders": codes[:20]}
                for key, codes in sorted(users.items())
            ]
        }
        down = [key[0] for key, good in is_up.items() if not good]
        if down:
            raise _DegradedError(f"{len(down)} of {len(is_up)} sources do not answer", facts)
        return facts

    def _scalar(self, sql: str) -> object:
        with transaction(self._control.engine) as connection:
            connection.execute(text(f"SET LOCAL statement_timeout = {int(_PATIENCE_S * 1000)}"))
            return connection.execute(text(sql)).scalar_one()


@cache
def _head() -> str:
    from resources.postgres.migrate import head_revision

    return head_revision()


def _run(check: _Check) -> CheckResult:
    began = time.perf_counter()
    is_ok: bool | None = True
    reason, kind, facts = "", "", {}
    try:
        facts = check.work()
    except _DegradedError as error:
        is_ok, (reason, facts) = None, error.args
    except EtlmonError as error:
        is_ok, reason, kind = (False if check.is_required else None), error.reason, error.error_type
    except Exception as error:  # noqa: BLE001 - a defect in one check must not hide the others
        is_ok, reason, kind = (False if check.is_required else None), type(error).__name__, "INTERNAL_ERROR"
    took = round((time.perf_counter() - began) * 1000, 1)
    return CheckResult(check.name, is_ok, took, reason, kind, facts)


def _collect(check: _Check) -> CheckResult:
    """The newest result there is; a required check that does not come back is a failed one."""
    if check.running is not None:
        try:
            check.result = check.running.result(timeout=0)
        except PatienceError:
            if check.is_required:
                reason = f"no answer within {_PATIENCE_S:g} s"
                return CheckResult(check.name, False, _PATIENCE_S * 1000, reason, "TIMEOUT")
        else:
            check.running, check.done_at = None, time.monotonic()
    return check.result or CheckResult(check.name, True, 0.0, "not checked yet")
