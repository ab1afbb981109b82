"""POST /api/v1/signals: push a batch. 202 means durable: every accepted row will be in the lake exactly once (A17)."""

from __future__ import annotations

import hashlib
import threading
import time
from datetime import timedelta
from typing import Annotated

import orjson
import polars as pl
from fastapi import APIRouter, Depends, Header, Request
from pydantic import BaseModel
from sqlalchemy import Engine, text
from starlette.concurrency import run_in_threadpool

from api.access import allow
from api.problems import BodyTooLargeError
from domain.errors import InputDataError, NotFoundError
from domain.loaders.definition import LoaderDefinition
from domain.push import ParsedBatch, parse_batch
from domain.vocabulary import SourceKind
from resources.clock import utc_now
from resources.postgres.engine import transaction
from resources.postgres.loaders_repository import LoadersRepository
from resources.push_inbox import PushInbox
from resources.settings import Settings

_MAX_BODY = 32 * 1024 * 1024
_LOADERS_TTL_S = 5.0

router = APIRouter(prefix="/api/v1/signals", tags=["signals"])


class RefusedSignal(BaseModel):
    """One row that was not accepted."""

    row: int
    field: str
    reason: str


class PushAnswer(BaseModel):
    """What became of a batch."""

    batchId: str  # noqa: N815 - the JSON name
    received: int
    accepted: int
    isDuplicate: bool  # noqa: N815
    refused: list[RefusedSignal]


class PushDoor:
    """Acceptance of batches for the loaders that are ACTIVE; the list is re-read every few seconds."""

    def __init__(self, settings: Settings, engine: Engine, repository: LoadersRepository) -> None:
        self._settings = settings
        self._repository = repository
        self._inbox = PushInbox(engine)
        self._lock = threading.Lock()
        self._loaders: dict[str, LoaderDefinition] = {}
        self._read_at = 0.0

    def loader(self, code: str) -> LoaderDefinition:
        """The ACTIVE push loader of that code.

        Raises:
            NotFoundError: there is none; the suggestion names those that exist.
        """
        with self._lock:
            if time.monotonic() - self._read_at > _LOADERS_TTL_S:
                active = self._repository.list_active()
                self._loaders = {
                    one.definition.code: one.definition for one in active if one.definition.source is SourceKind.PUSH
                }
                self._read_at = time.monotonic()
        if code not in self._loaders:
            known = ", ".join(self._loaders) or "none yet"
            raise NotFoundError(f"no ACTIVE push loader {code!r}", suggestion=f"the active push loaders are: {known}")
        return self._loaders[code]

    def accept(self, code: str, body: bytes, batch_id: str | None) -> PushAnswer:
        """Validate and make durable."""
        now = utc_now()
        loader = self.loader(code)
        batch = parse_batch(
            body,
            loader,
            now=now,
            max_rows=self._settings.push_max_batch,
            max_age=timedelta(days=self._settings.retention_raw_days),
        )
        if batch.good.is_empty():
            self._inbox.count_refused(code, batch.received, at=now)
            raise InputDataError(
                f"none of the {batch.received} signals is usable: {_first(batch)}",
                suggestion="mend and send again",
                refused=[one.model_dump() for one in _refused(batch)],
            )
        name = batch_id or _content_key(batch)
        accepted = self._inbox.accept(code, name, batch.good, received=batch.received, at=now)
        return PushAnswer(
            batchId=name,
            received=batch.received,
            accepted=batch.good.height,
            isDuplicate=accepted.is_duplicate,
            refused=_refused(batch),
        )


def _content_key(batch: ParsedBatch) -> str:
    """Of the signals themselves, instants included: the same body a minute later is another batch when it names no instant."""
    digest = hashlib.blake2b(digest_size=16)
    for column in batch.good.with_columns(pl.col("captured_at").cast(pl.Int64)).iter_columns():
        digest.update(orjson.dumps(column.to_list()))
    return digest.hexdigest()


def _refused(batch: ParsedBatch) -> list[RefusedSignal]:
    return [RefusedSignal(row=row, field=field, reason=reason) for row, field, reason in batch.refused]


def _first(batch: ParsedBatch) -> str:
    row, field, reason = batch.refused[0]
    return f"row {row}, {field}: {reason}"


def _door(request: Request) -> PushDoor:
    door: PushDoor = request.app.state.push_door
    return door


async def _read_body(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > _MAX_BODY:
            raise BodyTooLargeError(f"the body exceeds {_MAX_BODY // 2**20} MB", suggestion="send smaller batches")
        parts.append(chunk)
    return b"".join(parts)


@router.post("", status_code=202)
@allow("signals", "push")
async def push_signals(
    request: Request,
    loader_code: str,
    door: Annotated[PushDoor, Depends(_door)],
    idempotency_key: Annotated[str | None, Header(max_length=128, pattern=r"^[\w.:-]+$")] = None,
) -> PushAnswer:
    """Push `{"signals": [{metric_name, labels, metric_value, captured_at}]}` to a loader.

    Send the same `Idempotency-Key` when you retry; without one the content itself is the key.
    """
    body = await _read_body(request)
    return await run_in_threadpool(door.accept, loader_code, body, idempotency_key)


@router.get("/funnel")
@allow("signals", "read")
def read_funnel(
    request: Request,
    minutes: int = 60,
) -> list[dict[str, object]]:
    """Counters per minute and loader: received, validated, persisted, archived."""
    engine: Engine = request.app.state.engine
    query = text(
        "SELECT minute, loader_code, received, validated, persisted, archived FROM push_funnel"
        " WHERE minute >= now() - make_interval(mins => :minutes) ORDER BY minute, loader_code"
    )
    with transaction(engine) as connection:
        return [dict(row) for row in connection.execute(query, {"minutes": min(max(minutes, 1), 10_080)}).mappings()]
