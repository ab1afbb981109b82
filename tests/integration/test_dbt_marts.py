"""The marts over a real lake, against totals that a reader can add up (tests/fakes/lake_data.py)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from domain.errors import StorageError
from resources.lake.connection import Lake
from resources.lake.dbt_environment import (
    base_environment,
    build_marts,
    compute_project_hash,
    ensure_manifest,
    project_folder,
    run_dbt,
)
from resources.postgres.url import DatabaseUrl
from resources.settings import Settings
from tests.fakes import lake_data as data

pytestmark = pytest.mark.requirement("C7")


@pytest.fixture
def storage(tmp_path: Path, postgres_url: str) -> Iterator[tuple[Settings, DatabaseUrl, Lake]]:
    settings, url, lake = data.open_new_lake(tmp_path, postgres_url)
    with lake:
        yield settings, url, lake


def _one(lake: Lake, sql: str) -> dict[str, object]:
    return lake.query(sql).row(0, named=True)


@pytest.mark.requirement("B5")
def test_marts_hold_the_totals_that_the_estate_was_made_of(storage: tuple[Settings, DatabaseUrl, Lake]) -> None:
    settings, url, lake = storage
    data.fill_lake(lake)
    build_marts(settings, url)

    # hourly availability: one row per subject and hour observed, stamped with the hour it speaks about
    hours = lake.query("SELECT * FROM marts.hourly_availability")
    assert hours.filter(subject="gateway").height == data.HOURS
    assert hours.filter(subject="auth").height == data.HOURS - 6
    bad = hours.filter(pl.col("hour_at") == data.BAD_HOUR)
    assert dict(bad.select("subject", "availability_pct").iter_rows()) == {
        "gateway": 50.0,
        "auth": 100.0,
        "orders": 0.0,
        "billing": 100.0,
    }
    orders = hours.filter(subject="orders")
    assert (orders["numerator"].sum(), orders["denominator"].sum()) == (4 * data.HOURS - 4, 4 * data.HOURS)

    # the day of the bad hour: 23 hours of 12 errors and one of 300
    day = _one(lake, "SELECT * FROM marts.daily_error_rates WHERE service = 'gateway' AND day_at = '2026-10-22'")
    assert day["requests"] == pytest.approx(24 * 1200)
    assert day["errors"] == pytest.approx(23 * 12 + 300)
    assert day["error_rate_pct"] == pytest.approx(100 * (23 * 12 + 300) / (24 * 1200))
    assert day["hours_observed"] == 24

    # the week of the bad hour, and the unseen hours of the other service
    week = lake.query("SELECT * FROM marts.weekly_summary WHERE week_at = '2026-10-19' ORDER BY service")
    assert week["service"].to_list() == ["auth", "gateway"]
    assert week["hours_observed"].to_list() == [162, 168]
    assert week["uptime_pct"].to_list() == pytest.approx([100.0, 100 * 167.5 / 168])
    assert week["errors"].to_list() == pytest.approx([168 * 3, 167 * 12 + 300])
    assert week["latency_p99_ms_mean"].to_list() == pytest.approx([90.0, 180.0])

    # October beside the three days of September that were seen
    month = _one(
        lake,
        "SELECT * FROM marts.month_over_month "
        "WHERE metric = 'error_rate_pct' AND service = 'gateway' AND month_at = '2026-10-01'",
    )
    assert month["value"] == pytest.approx(100 * (743 * 12 + 300) / (744 * 1200))
    assert month["previous_value"] == pytest.approx(1.0)
    assert (month["days_observed"], month["previous_days_observed"]) == (31, 3)

    # SLA: gateway was half down for an hour; auth was perfect where seen, not if the unseen hours were down
    sla = {
        row["service"]: row
        for row in lake.query("SELECT * FROM marts.sla WHERE month_at = '2026-10-01'").iter_rows(named=True)
    }
    assert sla["gateway"]["minutes_down"] == pytest.approx(30)
    assert sla["gateway"]["minutes_allowed"] == pytest.approx(744 * 60 * 0.001)
    assert (sla["gateway"]["is_met"], sla["gateway"]["is_met_if_not_observed_was_down"]) == (True, True)
    assert (sla["auth"]["hours_observed"], sla["auth"]["hours_not_observed"]) == (738, 6)
    assert (sla["auth"]["is_met"], sla["auth"]["is_met_if_not_observed_was_down"]) == (True, False)

    # completeness comes from the ledger
    ledger = _one(lake, "SELECT * FROM marts.capture_completeness WHERE day_at = '2026-10-24'")
    assert (ledger["windows_expected"], ledger["windows_captured"], ledger["windows_missing"]) == (24, 18, 6)


def test_marts_of_an_empty_lake_are_empty_and_not_an_error(storage: tuple[Settings, DatabaseUrl, Lake]) -> None:
    settings, url, lake = storage
    build_marts(settings, url)
    for mart in (
        "hourly_availability",
        "daily_error_rates",
        "weekly_summary",
        "month_over_month",
        "sla",
        "capture_completeness",
    ):
        assert lake.query(f"SELECT * FROM marts.{mart}").is_empty()


def test_rollups_speak_where_raw_points_are_gone_doubles_do_not_count_twice_and_maintenance_is_left_out(
    storage: tuple[Settings, DatabaseUrl, Lake],
) -> None:
    settings, url, lake = storage
    gateway = data.SeriesSpec("STATS-PERF", "http_requests", {"service": "gateway"}, 300, 1200.0, is_count=True)
    second = data.SeriesSpec("GATEWAY", "http_requests", {"service": "gateway"}, 3600, 1200.0, is_count=True)
    uptime = data.SeriesSpec(
        "STATS-AVAIL",
        "service_uptime_pct",
        {"service": "gateway"},
        3600,
        100.0,
        is_count=False,
        deviations={data.BAD_HOUR: 0.0},
    )
    data.fill_lake(lake, [gateway, second, uptime])
    cut = data.START + timedelta(days=7)

    def expire_and_maintain(into: Lake) -> None:
        into.execute(
            "INSERT INTO signals_hourly BY NAME SELECT series_id, time_bucket(INTERVAL 1 HOUR, captured_at) AS hour_at, "
            "count(*) AS points, sum(metric_value) AS total, max(metric_value) AS maximum FROM signals GROUP BY ALL"
        )
        into.execute("DELETE FROM signals WHERE captured_at < ?", [cut])
        into.insert(
            "incident_periods",
            pl.DataFrame(
                {
                    "incident_id": ["m1"],
                    "service": ["gateway"],
                    "started_at": [data.BAD_HOUR],
                    "ended_at": [data.BAD_HOUR + timedelta(minutes=30)],
                    "source": ["maintenance"],
                }
            ),
        )

    lake.write("signals", expire_and_maintain)
    build_marts(settings, url)
    weeks = lake.query("SELECT week_at, requests FROM marts.weekly_summary WHERE requests > 0 ORDER BY week_at")
    assert weeks["requests"].to_list() == pytest.approx([168 * 1200] * 5, rel=0.001)
    sla = _one(lake, "SELECT * FROM marts.sla WHERE month_at = '2026-10-01'")
    assert (sla["hours_excluded"], sla["minutes_down"], sla["is_met"]) == (1, 0, True)


def test_the_manifest_is_parsed_once_and_follows_changes(tmp_path: Path) -> None:
    first = ensure_manifest()
    written_at = first.stat().st_mtime_ns
    assert ensure_manifest() == first
    assert first.stat().st_mtime_ns == written_at
    (tmp_path / "a.sql").write_text("select 1")
    before = compute_project_hash(tmp_path)
    (tmp_path / "a.sql").write_text("select 2")
    assert compute_project_hash(tmp_path) != before


def test_a_failing_dbt_says_why(tmp_path: Path) -> None:
    environment = {**base_environment(), "DBT_PROJECT_DIR": str(tmp_path)}
    with pytest.raises(StorageError, match=r"dbt parse failed: .*dbt_project\.yml"):
        run_dbt(["parse"], environment)


@pytest.mark.requirement("C8")
@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning"
)  # Dagster reads __fields__ of pydantic; dagster-dbt brings sqlglotrs
def test_marts_and_reports_are_assets_with_lineage_checks_and_metadata(
    storage: tuple[Settings, DatabaseUrl, Lake], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dagster import AssetKey, materialize

    from etlmon_assets import keys
    from etlmon_assets.marts import build_marts_assets, mart_key
    from etlmon_assets.reports import REPORT_ASSETS, REPORT_CHECKS
    from resources.dagster_bindings import PlatformResource

    settings, _, lake = storage
    data.fill_lake(lake)
    assert settings.database_url is not None
    monkeypatch.setenv("ETLMON_HOME", str(settings.home))
    monkeypatch.setenv("ETLMON_DATABASE_URL", settings.database_url.get_secret_value())
    marts = build_marts_assets()
    for spec in marts.specs:
        assert spec.group_name == keys.GROUP_MARTS
        assert spec.owners == keys.OWNERS
        assert spec.description
    upstream = {dep.asset_key for spec in marts.specs for dep in spec.deps}
    assert {keys.SIGNALS, keys.SIGNALS_HOURLY, keys.CAPTURE_LEDGER, keys.ANOMALIES} <= upstream

    before = dict(os.environ)
    result = materialize(
        [marts, *REPORT_ASSETS, *REPORT_CHECKS],
        resources={"platform": PlatformResource()},
        run_config={
            "ops": {f"report_{kind}": {"config": {"as_of": "2026-11-02"}} for kind in ("weekly", "monthly", "sla")}
        },
    )
    assert result.success
    assert dict(os.environ) == before
    made = {event.asset_key: event.materialization.metadata for event in result.get_asset_materialization_events()}
    assert made[mart_key("weekly_summary")]["dagster/row_count"].value == 10
    assert "gateway" in str(made[mart_key("weekly_summary")]["preview"].value)
    report = made[AssetKey("report_weekly")]
    assert Path(str(report["pdf"].value)).read_bytes().startswith(b"%PDF")
    assert "Uptime" in str(report["summary"].value)
    checks = {(check.asset_key, check.check_name): check for check in result.get_asset_check_evaluations()}
    tests_of_dbt = [check for (key, _), check in checks.items() if key.path[0] == "marts"]
    assert len(tests_of_dbt) >= 40
    assert all(check.passed for check in tests_of_dbt)
    assert not checks[keys.REPORT_WEEKLY, "headline_figures_known"].passed  # no capacity was computed in this lake
    assert "Gauges running full" in str(
        checks[keys.REPORT_WEEKLY, "headline_figures_known"].metadata["not_known"].value
    )


def test_the_project_lies_beside_the_packages_and_is_no_package() -> None:
    assert (project_folder() / "dbt_project.yml").exists()
    assert not list(project_folder().rglob("__init__.py"))
