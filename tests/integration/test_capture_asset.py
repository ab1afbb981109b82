"""Capture as Dagster runs it: a partition is a day captured again, the run of every minute takes what is due."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster import (
    AssetKey,
    AssetsDefinition,
    DailyPartitionsDefinition,
    ExecuteInProcessResult,
    RunConfig,
    materialize,
)

from domain.loaders.definition import LoaderDefinition
from etlmon_assets.capture import build_capture_assets
from resources.clock import utc_now
from resources.dagster_bindings import PlatformResource
from resources.loaders.versions import load_loader_versions
from resources.postgres.engine import make_engine
from sensors.maintenance import MAINTENANCE_JOBS
from tests.fakes.platform import Platform

DAYS = 5
TODAY = utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """An hourly count for the last five whole days."""
    path = tmp_path / "warehouse.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE loads (at REAL, loader TEXT, value REAL)")
        first = (TODAY - timedelta(days=DAYS)).timestamp()
        database.executemany(
            "INSERT INTO loads VALUES (?, 'orders', ?)", [(first + 3600 * k, float(k)) for k in range(24 * DAYS)]
        )
    database.close()
    return path


@pytest.fixture
def seeded(platform: Platform, source: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    assert platform.settings.database_url is not None
    monkeypatch.setenv("ETLMON_HOME", str(platform.settings.home))
    monkeypatch.setenv("ETLMON_DATABASE_URL", platform.settings.database_url.get_secret_value())
    body = {
        "code": "LOADS", "title": "loads", "source": "sql", "connection": {"url": f"sqlite:///{source}"}, "schedule": "0 * * * *",
        "step_s": 3600, "expected_latency_s": 0, "history_s": 86_400,
        "sql": [{"metric_name": "loads", "time_column": "at", "dialect_time": "epoch_s",
                 "sql": "SELECT at, loader, value FROM loads WHERE at >= :window_start AND at < :window_end"}],
    }  # fmt: skip
    engine = make_engine(platform.url)
    load_loader_versions(platform.settings.home, engine).seed([LoaderDefinition.model_validate(body)], at=utc_now())
    engine.dispose()
    return platform


@pytest.fixture(scope="module")
def asset() -> AssetsDefinition:
    return build_capture_assets(DailyPartitionsDefinition(start_date=TODAY - timedelta(days=30), end_offset=1))


def run(asset: AssetsDefinition, day: datetime, mode: str = "range") -> ExecuteInProcessResult:
    config = RunConfig(ops={"capture": {"config": {"mode": mode}}})
    return materialize(
        [asset], partition_key=f"{day:%Y-%m-%d}", resources={"platform": PlatformResource()}, run_config=config
    )


def rows(result: ExecuteInProcessResult) -> object:
    (event,) = [one for one in result.get_asset_materialization_events() if one.asset_key == AssetKey("signals")]
    return event.materialization.metadata["rows"].value


@pytest.mark.requirement("B4")
@pytest.mark.requirement("B6")
def test_a_partition_is_its_day_and_a_second_time_changes_nothing(seeded: Platform, asset: AssetsDefinition) -> None:
    day = TODAY - timedelta(days=3)
    first = run(asset, day)
    assert first.success
    assert rows(first) == 24
    assert rows(run(asset, day)) == 0
    span = seeded.lake.query(
        "SELECT min(captured_at) AS low, max(captured_at) AS high, count(*) AS n FROM signals"
    ).row(0)
    assert span == (day, day + timedelta(hours=23), 24)
    assert seeded.lake.query("SELECT count(*) AS n FROM watermarks")["n"][0] == 0, "a backfill moves no watermark"


@pytest.mark.requirement("B6")
@pytest.mark.requirement("C8")
def test_the_run_of_every_minute_takes_what_is_due_and_checks_it(seeded: Platform, asset: AssetsDefinition) -> None:
    result = run(asset, TODAY, mode="due")
    assert rows(result) == seeded.lake.query("SELECT count(*) AS n FROM signals")["n"][0]
    checks = {
        (one.asset_key.to_user_string(), one.check_name): one.passed for one in result.get_asset_check_evaluations()
    }
    assert checks[("signals", "uniqueness")]
    assert checks[("signals", "freshness")]
    assert checks[("capture_ledger", "completeness")]
    mark = seeded.lake.instant("SELECT complete_until FROM watermarks")
    assert mark is not None
    assert timedelta(0) <= datetime.now(UTC) - mark < timedelta(hours=2)


@pytest.mark.requirement("C8")
def test_a_broken_source_fails_a_check_and_not_the_run(seeded: Platform, asset: AssetsDefinition, source: Path) -> None:
    source.unlink()
    result = run(asset, TODAY, mode="due")
    assert result.success
    failed = {
        (one.asset_key.to_user_string(), one.check_name)
        for one in result.get_asset_check_evaluations()
        if not one.passed
    }
    assert ("capture_ledger", "completeness") in failed
    reason = seeded.lake.query("SELECT DISTINCT error_type FROM capture_ledger")["error_type"].to_list()
    assert reason == ["SOURCE_UNREACHABLE"]


@pytest.mark.requirement("B9")
def test_maintenance_jobs_run_on_a_living_lake(seeded: Platform, asset: AssetsDefinition) -> None:
    run(asset, TODAY - timedelta(days=2))
    before = seeded.lake.query("SELECT count(*) AS n FROM signals")["n"][0]
    for job in MAINTENANCE_JOBS:
        assert job.execute_in_process(resources={"platform": PlatformResource()}).success
    assert seeded.lake.query("SELECT count(*) AS n FROM signals")["n"][0] == before == 24
