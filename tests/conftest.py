"""Fixtures every folder shares: one embedded PostgreSQL per test worker, a fresh database and lake per test."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

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
    from sqlalchemy import create_engine, make_url, text

    admin = make_url(postgres_server).set(drivername="postgresql+psycopg", username="postgres", database="postgres")
    name = f"t{uuid.uuid4().hex[:12]}"
    engine = create_engine(admin, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} OWNER etlmon"))
    yield make_url(postgres_server).set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()
