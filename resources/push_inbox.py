"""The push API's inbox in PostgreSQL, and the source that capture drains it through.

A batch is accepted when its row is committed (and flushed by PostgreSQL), in the same transaction as its funnel counters.
Capture moves batches into the lake in the order of their acceptance and drops their payload after the lake has committed; a
batch moved twice writes the same rows under the same keys. The receipt of a batch stays for a day, so that a client that
retries late, with the same Idempotency-Key, adds nothing.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from sqlalchemy import Engine, text

from domain.answers import Answer, AnswerSeries, empty_answer
from domain.loaders.definition import Connection, LoaderDefinition
from resources.postgres.engine import make_engine, transaction
from resources.postgres.url import DatabaseUrl

_MAX_DRAINED = 2_000_000

_INSERT = text(
    "INSERT INTO push_batches (loader_code, batch_id, received_at, signals, payload)"
    " VALUES (:code, :batch_id, :at, :signals, :payload) ON CONFLICT (loader_code, batch_id) DO NOTHING"
)
_COUNT = text(
    "INSERT INTO push_funnel (minute, loader_code, received, validated) VALUES (date_trunc('minute', CAST(:at AS timestamptz)),"
    " :code, :received, :validated) ON CONFLICT (minute, loader_code) DO UPDATE SET"
    " received = push_funnel.received + excluded.received, validated = push_funnel.validated + excluded.validated"
)
_DRAIN = text(
    "SELECT sequence, payload FROM (SELECT sequence, payload, sum(signals) OVER (ORDER BY sequence) - signals AS before"
    " FROM push_batches WHERE loader_code = :code AND moved_at IS NULL) AS b WHERE before < :most ORDER BY sequence"
)
_MOVE = text(
    "WITH moved AS (UPDATE push_batches SET moved_at = clock_timestamp(), payload = NULL"
    " WHERE sequence = ANY(:sequences) AND moved_at IS NULL RETURNING loader_code, received_at, signals)"
    " INSERT INTO push_funnel (minute, loader_code, persisted)"
    " SELECT date_trunc('minute', received_at), loader_code, sum(signals) FROM moved GROUP BY 1, 2"
    " ON CONFLICT (minute, loader_code) DO UPDATE SET persisted = push_funnel.persisted + excluded.persisted"
)
_ARCHIVE = text(
    "WITH archived AS (UPDATE push_batches SET archived_at = clock_timestamp()"
    " WHERE moved_at <= :until AND archived_at IS NULL RETURNING loader_code, received_at, signals)"
    " INSERT INTO push_funnel (minute, loader_code, archived)"
    " SELECT date_trunc('minute', received_at), loader_code, sum(signals) FROM archived GROUP BY 1, 2"
    " ON CONFLICT (minute, loader_code) DO UPDATE SET archived = push_funnel.archived + excluded.archived"
)
_PURGE = text("DELETE FROM push_batches WHERE archived_at IS NOT NULL AND moved_at < :until")
_RECEIPTS_KEPT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Accepted:
    """What acceptance says: `is_duplicate` when the batch id was accepted before, within a day (nothing was added)."""

    batch_id: str
    signals: int
    is_duplicate: bool


def _encode(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_ipc(buffer, compression="zstd")
    return buffer.getvalue()


class PushInbox:
    """Accepts batches, and is the `StatisticsSource` of push loaders."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def accept(self, code: str, batch_id: str, frame: pl.DataFrame, *, received: int, at: datetime) -> Accepted:
        """Make a validated batch durable. Returning is the promise that it will be in the lake.

        Args:
            frame: PUSHED_SCHEMA, only rows that passed validation.
            received: rows the client sent, good and bad.

        Raises:
            StorageUnavailableError, StorageFullError: not accepted; the client keeps the batch.
        """
        row = {"code": code, "batch_id": batch_id, "at": at, "signals": frame.height, "payload": _encode(frame)}
        with transaction(self._engine) as connection:
            inserted = connection.execute(_INSERT, row).rowcount
            if inserted:
                counts = {"at": at, "code": code, "received": received, "validated": frame.height}
                connection.execute(_COUNT, counts)
        return Accepted(batch_id, frame.height, is_duplicate=not inserted)

    def count_refused(self, code: str, received: int, *, at: datetime) -> None:
        """A batch without one good row: received, and that was it."""
        with transaction(self._engine) as connection:
            connection.execute(_COUNT, {"at": at, "code": code, "received": received, "validated": 0})

    def fetch(self, loader: LoaderDefinition, connection: Connection, *, start: datetime, end: datetime) -> Answer:
        """The waiting batches of a loader in order of acceptance; the range is theirs, not the caller's."""
        del connection, start, end
        with transaction(self._engine) as database:
            rows = database.execute(_DRAIN, {"code": loader.code, "most": _MAX_DRAINED}).all()
        if not rows:
            return empty_answer()
        frame = pl.concat([pl.read_ipc(io.BytesIO(bytes(row.payload))) for row in rows])
        series = frame.select("metric_name", "labels").unique(maintain_order=True).with_row_index("series_index")
        points = frame.join(series, on=["metric_name", "labels"], how="left", maintain_order="left")
        return Answer(
            series=[AnswerSeries(name, _labels(labels)) for _, name, labels in series.iter_rows()],
            points=points.select(pl.col("series_index").cast(pl.UInt32), "captured_at", "metric_value"),
            requests=1,
            batch_ids=[str(row.sequence) for row in rows],
        )

    def forget(self, answers: list[Answer]) -> None:
        """Drop what the lake has committed. Dying before this is harmless: the batches are moved again."""
        sequences = [int(one) for answer in answers for one in answer.batch_ids]
        if sequences:
            with transaction(self._engine) as connection:
                connection.execute(_MOVE, {"sequences": sequences})

    def archive(self, rolled_up_until: datetime, *, now: datetime) -> None:
        """Count as archived what the rollups have summarised, and forget receipts older than a day.

        Args:
            rolled_up_until: ingestion time the rollup has reached (`RollupResult.reached_at`).
        """
        with transaction(self._engine) as connection:
            connection.execute(_ARCHIVE, {"until": rolled_up_until})
            connection.execute(_PURGE, {"until": now - _RECEIPTS_KEPT})

    def waiting(self) -> int:
        """Signals accepted and not yet in the lake."""
        with transaction(self._engine) as connection:
            return int(
                connection.execute(
                    text("SELECT coalesce(sum(signals), 0) FROM push_batches WHERE moved_at IS NULL")
                ).scalar_one()
            )


def archive_pushed(url: DatabaseUrl, rolled_up_until: datetime, *, now: datetime) -> None:
    """`PushInbox.archive` for a caller without an engine."""
    engine = make_engine(url)
    try:
        PushInbox(engine).archive(rolled_up_until, now=now)
    finally:
        engine.dispose()


def _labels(text_form: str) -> dict[str, Any]:
    import orjson

    found: dict[str, Any] = orjson.loads(text_form)
    return found
