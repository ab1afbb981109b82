"""Writes the ETL runs of the estate into the table etl_runs, for SQL loaders: history first, then what is due.

SQLite in the home by default, any SQLAlchemy URL otherwise. Instants are naive UTC. A run that is there already is left alone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy import Column, DateTime, Index, Integer, MetaData, String, Table, create_engine, event, func, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from resources.simulator.etl_runs import DayRuns
from resources.simulator.noise import compute_key
from resources.simulator.season import DAY_S

LONGEST_RUN_S = 2 * 3600.0
BATCH = 2_000
ERRORS = (
    "SOURCE_UNAVAILABLE: connection refused",
    "DB_TIMEOUT: query timed out after 5000 ms",
    "SCHEMA_MISMATCH: column not found",
)

metadata = MetaData()
etl_runs = Table(
    "etl_runs",
    metadata,
    Column("run_id", String(32), primary_key=True),
    Column("loader", String(64), nullable=False),
    Column("started_at", DateTime, nullable=False),
    Column("finished_at", DateTime, nullable=False),
    Column("rows_read", Integer, nullable=False),
    Column("rows_written", Integer, nullable=False),
    Column("status", String(16), nullable=False),
    Column("error", String(200)),
    Column("inserted_at", DateTime, nullable=False),
    Index("etl_runs_finished_at", "finished_at"),
)


class RunFeed:
    """Remembers up to which instant of insertion everything has been written."""

    def __init__(self, url: str, runs_of: Callable[[int], DayRuns], *, from_s: float) -> None:
        self._engine = create_engine(url)
        if self._engine.dialect.name == "sqlite":
            event.listen(self._engine, "connect", _use_wal)
        metadata.create_all(self._engine)
        self._runs_of, self._written_until_s = runs_of, max(from_s, self._newest_s() - LONGEST_RUN_S)
        self.rows = 0

    def _newest_s(self) -> float:
        with self._engine.connect() as connection:
            newest = connection.execute(select(func.max(etl_runs.c.inserted_at))).scalar()
        return newest.replace(tzinfo=UTC).timestamp() if newest else 0.0

    def write(self, *, until_s: float) -> int:
        """Runs inserted after the last call and not after `until_s`; returns how many were due."""
        rows: list[dict[str, Any]] = []
        since_s = self._written_until_s
        for day in range(int((since_s - LONGEST_RUN_S) // DAY_S), int(until_s // DAY_S) + 1):
            rows += _due_rows(self._runs_of(day), since_s, until_s)
        insert = postgres_insert if self._engine.dialect.name == "postgresql" else sqlite_insert
        statement = insert(etl_runs).on_conflict_do_nothing(index_elements=["run_id"])
        with self._engine.begin() as connection:
            for i in range(0, len(rows), BATCH):
                connection.execute(statement, rows[i : i + BATCH])
        self._written_until_s = max(since_s, until_s)
        self.rows += len(rows)
        return len(rows)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


def _use_wal(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _due_rows(runs: DayRuns, since_s: float, until_s: float) -> list[dict[str, Any]]:
    due = np.flatnonzero((runs.inserted_s > since_s) & (runs.inserted_s <= until_s))
    return [_row(runs, int(i)) for i in due]


def _row(runs: DayRuns, i: int) -> dict[str, Any]:
    key = compute_key(runs.loader[i], int(runs.started_s[i]))
    is_success = bool(runs.is_success[i])
    return {
        "run_id": f"{runs.loader[i]}-{int(runs.started_s[i])}",
        "loader": runs.loader[i],
        "started_at": _naive(runs.started_s[i]),
        "finished_at": _naive(runs.finished_s[i]),
        "rows_read": int(runs.rows_read[i]),
        "rows_written": int(runs.rows_written[i]),
        "status": "SUCCESS" if is_success else "FAILED",
        "error": None if is_success else ERRORS[key % len(ERRORS)],
        "inserted_at": _naive(runs.inserted_s[i]),
    }


def _naive(seconds: float) -> datetime:
    return datetime.fromtimestamp(float(seconds), UTC).replace(tzinfo=None)
