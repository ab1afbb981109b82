"""Checks of PostgreSQL and the lake."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from domain.errors import EtlmonError
from resources.clock import utc_now
from resources.doctor.finding import Finding, ok, problem, warning
from resources.lake.connection import Lake
from resources.postgres.engine import make_engine, transaction
from resources.postgres.migrate import current_revision, head_revision
from resources.postgres.url import DatabaseUrl
from resources.settings import Settings

_OLDEST_POSTGRES = 140_000
_MANY_FILES = 5_000


def check_database(url: DatabaseUrl) -> Iterator[Finding]:
    """Reachable, new enough, migrated, allowed to do what is needed, its clock like ours."""
    engine = make_engine(url)
    try:
        started = time.perf_counter()
        number, can_create = _ask(
            engine,
            "SELECT current_setting('server_version_num')::int, has_database_privilege(current_database(), 'CREATE')",
        )
        yield ok("database", f"answers in {(time.perf_counter() - started) * 1000:.0f} ms")
        if int(number) < _OLDEST_POSTGRES:
            yield problem("database version", f"{number} is too old", "use PostgreSQL 14 or newer")
        if not can_create:
            yield problem(
                "database rights", "the role may not create schemas", "GRANT CREATE ON DATABASE … TO the role of etlmon"
            )
        before = utc_now()
        (now,) = _ask(engine, "SELECT clock_timestamp()")
        skew = abs((now - before).total_seconds())
        if skew > 5:
            yield warning("clock", f"the database's clock is {skew:.0f} s off", "run an NTP client on both machines")
        else:
            yield ok("clock", "database and machine agree")
        used, most = _ask(engine, "SELECT count(*), current_setting('max_connections')::int FROM pg_stat_activity")
        if used > 0.8 * most:
            yield warning("database connections", f"{used} of {most} in use", "raise max_connections")
        yield _check_migrations(url)
    except EtlmonError as error:
        yield problem("database", error.reason, error.suggestion)
    finally:
        engine.dispose()


def _ask(engine: Engine, sql: str) -> tuple[Any, ...]:
    with transaction(engine) as connection:
        return tuple(connection.execute(text(sql)).one())


def _check_migrations(url: DatabaseUrl) -> Finding:
    found, wanted = current_revision(url), head_revision()
    if found == wanted:
        return ok("migrations", f"at {found}")
    if not found:
        return problem("migrations", "the database is empty", "start with `etlmon up`, which migrates")
    return problem(
        "migrations",
        f"the database is at {found}, the code at {wanted}",
        "restart `etlmon up`; never downgrade the code",
    )


def check_lake_folder(settings: Settings, url: DatabaseUrl) -> Finding:
    """Whether the lake is where the settings look for it. Asked of the catalog itself: opening the lake would make the folder."""
    engine = make_engine(url)
    try:
        (recorded,) = _ask(engine, "SELECT value FROM lake.ducklake_metadata WHERE key = 'data_path'")
    finally:
        engine.dispose()
    folder = str(recorded)
    if folder != settings.lake_data_path:
        return problem(
            "lake folder",
            f"the catalog says {folder}, the settings {settings.lake_data_path}",
            "set ETLMON_LAKE_PATH to the former, or move the lake with `etlmon backup` and `etlmon restore`",
        )
    if "://" not in folder and not Path(folder).is_dir():
        return problem("lake folder", f"{folder} is gone", "restore it: `etlmon restore`")
    return ok("lake folder", folder)


def check_lake(lake: Lake) -> Iterator[Finding]:
    """Compacted."""
    files = int(lake.query("SELECT coalesce(sum(file_count), 0) AS n FROM ducklake_table_info('lake')")["n"][0])
    if files > _MANY_FILES:
        yield warning(
            "lake files", f"{files} files", "is the schedule compaction_schedule on? Run the job `compaction`"
        )
    else:
        yield ok("lake files", f"{files} files")
