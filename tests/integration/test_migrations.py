"""Migrations: from empty, from the previous release with its data, and from many processes at once (A16)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, text

from resources.lake.connection import open_lake
from resources.lake.schema import migrate_lake
from resources.platform import prepare_storage
from resources.postgres.engine import make_engine, transaction
from resources.postgres.migrate import current_revision, head_revision, migrate
from resources.postgres.url import DatabaseUrl
from resources.push_inbox import PushInbox
from resources.settings import Settings
from tests.fakes.crash_workers import batch_frame, pushed_loader

NOW = datetime(2026, 3, 10, tzinfo=UTC)


@pytest.fixture
def url(postgres_url: str) -> DatabaseUrl:
    return DatabaseUrl.parse(postgres_url)


@pytest.fixture
def engine(url: DatabaseUrl) -> Iterator[Engine]:
    found = make_engine(url)
    yield found
    found.dispose()


@pytest.mark.requirement("A16")
def test_from_empty_to_the_newest_and_again_without_effect(url: DatabaseUrl, tmp_path: Path) -> None:
    assert current_revision(url) == ""
    settings = Settings(home=tmp_path, database_url=SecretStr(url.render()), _env_file=None)
    prepare_storage(settings, url)
    assert current_revision(url) == head_revision() != ""
    with open_lake(settings, url) as lake:
        tables = lake.query("SHOW TABLES").rows()
        assert migrate_lake(lake) == []
    prepare_storage(settings, url)
    with open_lake(settings, url) as lake:
        assert lake.query("SHOW TABLES").rows() == tables


@pytest.mark.requirement("A16")
def test_many_processes_migrate_at_once(url: DatabaseUrl, engine: Engine) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: migrate(url), range(8)))
    with transaction(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM alembic_version")).scalar() == 1
    assert current_revision(url) == head_revision()


def _as_stored(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_ipc(buffer, compression="zstd")
    return buffer.getvalue()


@pytest.mark.requirement("A16")
def test_a_batch_accepted_by_the_previous_release_is_still_moved(url: DatabaseUrl, engine: Engine) -> None:
    migrate(url, to="0001")
    inbox = PushInbox(engine)
    with transaction(engine) as connection:
        connection.execute(
            text(
                "INSERT INTO push_batches (loader_code, batch_id, received_at, signals, payload)"
                " VALUES ('CRASH-PUSH', 'new', :at, 200, :payload)"
            ),
            {"at": NOW, "payload": _as_stored(batch_frame(0))},
        )
    migrate(url)
    assert current_revision(url) == head_revision()
    assert inbox.waiting() == 200
    loader = pushed_loader().definition
    answer = inbox.fetch(loader, loader.connection, start=NOW, end=NOW)  # type: ignore[arg-type]
    assert answer.points.height == 200
    inbox.forget([answer])
    assert inbox.waiting() == 0
    assert inbox.accept("CRASH-PUSH", "new", batch_frame(0), received=200, at=NOW).is_duplicate
    inbox.archive(datetime.now(UTC), now=datetime.now(UTC) + timedelta(days=2))
    assert not inbox.accept("CRASH-PUSH", "new", batch_frame(0), received=200, at=NOW).is_duplicate, (
        "receipts end after a day"
    )
