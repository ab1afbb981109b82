"""Fixtures every folder shares: one embedded PostgreSQL per test worker, a fresh database and lake per test."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, create_engine, make_url, text

from tests.fakes.faulty_http import unused_port
from tests.fakes.platform import Platform

PROGRAMS = {
    "prometheus": ("prometheus", "promtool"),
    "alertmanager": ("prometheus-alertmanager",),
    "redis": ("redis-server",),
    "bind": ("named",),
    "chromium": ("chromium",),
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        missing = [program for program in PROGRAMS[mark.args[0]] if shutil.which(program) is None]
        if missing and os.environ.get("ETLMON_CI"):
            pytest.fail(f"CI must have the Debian program {missing[0]} ({mark.args[0]})")
        if missing:
            pytest.skip(f"needs the Debian program {missing[0]} ({mark.args[0]})")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of an embedded PostgreSQL of this test worker."""
    from resources.postgres.embedded import remove_server_data, running_postgres

    home = Path(tempfile.mkdtemp(prefix="etlmon-test-"))
    with running_postgres(home) as url:
        yield url.render()
    remove_server_data(home)
    shutil.rmtree(home)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """URL of an empty database of this test's own."""
    with _database(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_template(postgres_server: str) -> Iterator[str]:
    """Name of a database with every migration applied, to be copied: migrating takes seconds, copying milliseconds."""
    from resources.platform import prepare_storage
    from resources.postgres.url import DatabaseUrl
    from resources.settings import Settings

    name = "migrated_template"
    with _admin(postgres_server) as connection:
        connection.execute(text(f"CREATE DATABASE {name} OWNER etlmon"))
    url = make_url(postgres_server).set(database=name).render_as_string(hide_password=False)
    folder = Path(tempfile.mkdtemp(prefix="etlmon-template-"))
    prepare_storage(Settings(home=folder, database_url=SecretStr(url), _env_file=None), DatabaseUrl.parse(url))
    yield name
    shutil.rmtree(folder)


@pytest.fixture
def platform(postgres_server: str, migrated_template: str, tmp_path: Path) -> Iterator[Platform]:
    """A migrated database and an open lake in a temporary folder."""
    from resources.lake.connection import open_lake
    from resources.postgres.url import DatabaseUrl
    from resources.settings import Settings

    home = tmp_path / "home"
    (home / "lake").mkdir(parents=True)
    with _database(postgres_server, template=migrated_template) as url:
        settings = Settings(home=home, database_url=SecretStr(url), ui_port=unused_port(), _env_file=None)
        _execute(
            url, "UPDATE lake.ducklake_metadata SET value = :path WHERE key = 'data_path'", path=settings.lake_data_path
        )
        parsed = DatabaseUrl.parse(url)
        with open_lake(settings, parsed) as lake:
            yield Platform(settings, parsed, lake)


@contextmanager
def _admin(server: str) -> Iterator[Connection]:
    admin = make_url(server).set(drivername="postgresql+psycopg", username="postgres", database="postgres")
    engine = create_engine(admin, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@contextmanager
def _database(server: str, *, template: str = "template1") -> Iterator[str]:
    name = f"t{uuid.uuid4().hex[:12]}"
    with _admin(server) as connection:
        connection.execute(text(f"CREATE DATABASE {name} OWNER etlmon TEMPLATE {template}"))
    yield make_url(server).set(database=name).render_as_string(hide_password=False)
    with _admin(server) as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def _execute(url: str, sql: str, **values: str) -> None:
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(text(sql), values)
    engine.dispose()
