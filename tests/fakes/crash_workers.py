"""Processes made to be killed: each does one kind of work in a loop and says on a pipe what it has promised."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import polars as pl
from pydantic import SecretStr

from domain.loaders.definition import LoaderDefinition
from domain.push import PUSHED_SCHEMA
from domain.vocabulary import SourceKind
from resources.capture.engine import CaptureContext, CaptureEngine
from resources.lake.connection import open_lake
from resources.lake.maintenance import compact, roll_up
from resources.postgres.engine import make_engine
from resources.postgres.loaders_repository import ActiveLoader
from resources.postgres.url import DatabaseUrl
from resources.push_inbox import PushInbox
from resources.settings import Settings
from tests.fakes.computed_source import ComputedSource

START = datetime(2026, 3, 10, tzinfo=UTC)
SERIES = 40
BATCH = 200


def pulled_loader() -> ActiveLoader:
    body = {
        "code": "CRASH-PULL",
        "title": "t",
        "source": "prometheus",
        "connection": {"url": "http://nowhere"},
        "schedule": "* * * * *",
        "step_s": 10,
        "expected_latency_s": 0,
        "late_lookback_s": 120,
        "history_s": 60,
        "prometheus": [{"metric_name": "requests", "promql": "up"}],
    }
    return ActiveLoader(LoaderDefinition.model_validate(body), 1)


def pushed_loader() -> ActiveLoader:
    body = {
        "code": "CRASH-PUSH",
        "title": "t",
        "source": "push",
        "connection": "push",
        "schedule": "* * * * *",
        "step_s": 1,
        "push": [{"metric_name": "pushed"}],
    }
    return ActiveLoader(LoaderDefinition.model_validate(body), 1)


def value_at(index: int, at: datetime) -> float:
    return index * 1e6 + (at - START).total_seconds()


def batch_frame(number: int) -> pl.DataFrame:
    """Batch `number` holds BATCH signals of one series, at seconds nobody else uses."""
    at = [START - timedelta(seconds=number * BATCH + k + 1) for k in range(BATCH)]
    rows = {
        "metric_name": ["pushed"] * BATCH,
        "labels": ["{}"] * BATCH,
        "captured_at": at,
        "metric_value": [float(number * BATCH + k) for k in range(BATCH)],
    }
    return pl.DataFrame(rows, schema=PUSHED_SCHEMA)


def _open(home: str, url: str) -> tuple[Settings, DatabaseUrl]:
    return Settings(home=Path(home), database_url=SecretStr(url), lake_threads=1, _env_file=None), DatabaseUrl.parse(
        url
    )


def _engine(lake: object, url: DatabaseUrl, inbox: PushInbox) -> CaptureEngine:
    source = ComputedSource(value_at, series=SERIES)
    return CaptureEngine(
        lake,
        url,
        sources=lambda kind: inbox if kind is SourceKind.PUSH else source,
        connections={},
        concurrency=2,  # type: ignore[arg-type]
        on_committed=inbox.forget,
    )


def capture_forever(home: str, url: str, pipe: Connection, first_minute: int, minutes: int) -> None:
    """Capture both loaders for one instant after the other, beginning with the minute that the lake has reached."""
    settings, address = _open(home, url)
    with open_lake(settings, address) as lake:
        engine = _engine(lake, address, PushInbox(make_engine(address)))
        pipe.send("ready")
        for minute in range(first_minute, first_minute + minutes):
            engine.capture_due(
                [pulled_loader(), pushed_loader()], CaptureContext(now=START + timedelta(minutes=minute))
            )
            pipe.send(minute)


def push_forever(home: str, url: str, pipe: Connection, first: int, count: int) -> None:
    """Accept batches and promise each one only after acceptance has returned."""
    _, address = _open(home, url)
    inbox = PushInbox(make_engine(address))
    pipe.send("ready")
    for number in range(first, first + count):
        inbox.accept("CRASH-PUSH", str(number), batch_frame(number), received=BATCH, at=START)
        pipe.send(number)


def compact_forever(home: str, url: str, pipe: Connection, first: int, count: int) -> None:
    """Roll up and compact the lake again and again, with files young enough to be removed."""
    settings, address = _open(home, url)
    with open_lake(settings, address) as lake:
        pipe.send("ready")
        for number in range(first, first + count):
            roll_up(lake)
            compact(lake, now=datetime.now(UTC), keep_snapshots=timedelta(minutes=10))
            pipe.send(number)
