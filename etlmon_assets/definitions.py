"""The code location "analytics": assembles assets, jobs, schedules and the platform. No logic here."""

from __future__ import annotations

from datetime import timedelta

from dagster import DailyPartitionsDefinition, Definitions

from etlmon_assets.analytics import ANALYTICS_ASSETS
from etlmon_assets.capture import SOURCES, build_capture_assets
from etlmon_assets.jobs import build_jobs, build_schedules
from etlmon_assets.marts import build_marts_assets
from etlmon_assets.outlook import OUTLOOK_ASSETS
from etlmon_assets.reports import REPORT_ASSETS, REPORT_CHECKS
from resources.clock import utc_now
from resources.dagster_bindings import PlatformResource
from resources.json_logs import configure_logs
from resources.settings import load_settings

configure_logs("etlmon-analytics", level=load_settings().log_level)

_partitions = DailyPartitionsDefinition(
    start_date=utc_now() - timedelta(days=load_settings().retention_raw_days), end_offset=1, fmt="%Y-%m-%d"
)

defs = Definitions(
    assets=[
        *SOURCES,
        build_capture_assets(_partitions),
        *ANALYTICS_ASSETS,
        *OUTLOOK_ASSETS,
        build_marts_assets(),
        *REPORT_ASSETS,
    ],
    asset_checks=REPORT_CHECKS,
    jobs=build_jobs(),
    schedules=build_schedules(),
    resources={"platform": PlatformResource()},
)
