"""Both code locations load; assets, jobs, schedules and sensors are what was reviewed; everything is described and on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from dagster import AssetKey, DefaultScheduleStatus, DefaultSensorStatus, Definitions

ROOT = Path(__file__).parents[2]

#: Reviewed. An asset that is new, gone or renamed belongs in this list in the same change.
ASSETS = {
    "capture": {"signals", "log_lines", "quarantine", "capture_ledger"},
    "analytics": {"signals_hourly", "baselines", "anomalies", "incident_periods", "control_charts", "log_patterns"},
    "outlook": {"seasonality", "forecasts", "capacity"},
    "reports": {"report_weekly", "report_monthly", "report_sla"},
    "sources": {"source/prometheus", "source/elasticsearch", "source/sql", "source/push"},
}
JOBS = {
    "capture_due", "analytics", "outlook", "marts_and_sla", "reports", "everything", "compaction", "retention", "audit_anchor", "detection",
    "notification", "escalation", "sla", "duty", "drills", "import_rotas", "tickets",
}  # fmt: skip
SCHEDULES = {
    "every_minute", "analytics_schedule", "outlook_schedule", "marts_and_sla_schedule", "reports_schedule", "compaction_schedule",
    "retention_schedule", "audit_anchor_schedule", "import_rotas_schedule",
}  # fmt: skip
LINEAGE = {
    "signals": {"source/prometheus", "source/elasticsearch", "source/sql", "source/push"},
    "log_lines": {"source/elasticsearch"},
    "signals_hourly": {"signals"},
    "baselines": {"signals"},
    "anomalies": {"signals", "baselines"},
    "incident_periods": {"anomalies"},
    "control_charts": {"signals", "baselines"},
    "log_patterns": {"log_lines"},
    "seasonality": {"signals_hourly"},
    "forecasts": {"signals_hourly", "seasonality"},
    "capacity": {"signals_hourly"},
}


@pytest.fixture(scope="module")
def analytics() -> Definitions:
    from etlmon_assets.definitions import defs

    Definitions.validate_loadable(defs)
    return defs


@pytest.fixture(scope="module")
def operations() -> Definitions:
    from sensors.definitions import defs

    Definitions.validate_loadable(defs)
    return defs


@pytest.mark.requirement("C8")
def test_the_assets_are_those_reviewed(analytics: Definitions) -> None:
    graph = analytics.resolve_asset_graph()
    groups: dict[str, set[str]] = {}
    for key in graph.get_all_asset_keys():
        groups.setdefault(graph.get(key).group_name, set()).add(key.to_user_string())
    marts = groups.pop("marts")
    assert groups == ASSETS
    assert {
        "marts/hourly_availability",
        "marts/daily_error_rates",
        "marts/weekly_summary",
        "marts/month_over_month",
        "marts/sla",
    } <= marts


@pytest.mark.requirement("C8")
def test_every_asset_has_owner_description_and_kinds(analytics: Definitions) -> None:
    graph = analytics.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.owners, key
        assert node.description, key
        assert node.kinds, key


@pytest.mark.parametrize("asset", LINEAGE)
def test_lineage(analytics: Definitions, asset: str) -> None:
    graph = analytics.resolve_asset_graph()
    parents = {key.to_user_string() for key in graph.get(AssetKey(asset)).parent_keys}
    assert parents == LINEAGE[asset]


def test_jobs_schedules_and_sensors_are_those_reviewed_and_on(analytics: Definitions, operations: Definitions) -> None:
    repositories = [one.get_repository_def() for one in (analytics, operations)]
    jobs = {job.name for one in repositories for job in one.get_all_jobs() if not job.name.startswith("__")}
    assert jobs == JOBS
    schedules = [schedule for one in repositories for schedule in one.schedule_defs]
    assert {schedule.name for schedule in schedules} == SCHEDULES
    assert all(schedule.default_status is DefaultScheduleStatus.RUNNING for schedule in schedules)
    sensors = [sensor for one in repositories for sensor in one.sensor_defs]
    assert {sensor.name for sensor in sensors} == {
        "run_failures", "stalled_capture", "capture_finished", "messages_due", "escalations_due", "clocks_due",
        "duty_due", "drills_due", "tickets_due",
    }  # fmt: skip
    assert all(sensor.default_status is DefaultSensorStatus.RUNNING and sensor.description for sensor in sensors)


def test_a_steady_estate_stays_below_ten_runs_per_minute(analytics: Definitions, operations: Definitions) -> None:
    """The schedules alone, whatever the number of loaders: every schedule in the same minute is the worst case."""
    schedules = [s for one in (analytics, operations) for s in one.get_repository_def().schedule_defs]
    assert len(schedules) <= 10


def test_operations_load_without_any_model_library() -> None:
    """A broken model library must not stop operations: importing them brings none in."""
    code = (
        "import sys, sensors.definitions\n"
        "heavy = [m for m in ('prophet', 'statsforecast', 'sklearn', 'dagster_dbt', 'dbt', 'matplotlib', 'pandas') if m in sys.modules]\n"
        "print(','.join(heavy))"
    )
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )
    assert out.stdout.strip() == ""


@pytest.mark.requirement("C8")
def test_every_asset_that_we_write_has_a_check(analytics: Definitions) -> None:
    graph = analytics.resolve_asset_graph()
    checked = {key.asset_key for key in graph.asset_check_keys}
    seeds_and_views = {key for key in graph.get_all_asset_keys() if {"seed", "view"} & set(graph.get(key).kinds)}
    ours = {key for key in graph.materializable_asset_keys if key not in seeds_and_views}
    assert ours - checked == set()
