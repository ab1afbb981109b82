"""Which assets run together and when. Everything is on from the start; every run of a job is one process."""

# Dagster reads annotations at definition time: no postponed evaluation here.
from dagster import (
    AssetSelection,
    DefaultScheduleStatus,
    RunConfig,
    RunRequest,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    define_asset_job,
    in_process_executor,
    schedule,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from etlmon_assets import keys

CAPTURE_JOB = "capture_due"
BOOTSTRAP_JOB = "everything"
_CAPTURED = (keys.SIGNALS, keys.LOG_LINES, keys.QUARANTINE, keys.CAPTURE_LEDGER)
_DUE = RunConfig(ops={"capture": {"config": {"mode": "due"}}})


def _job(name: str, selection: AssetSelection, description: str) -> UnresolvedAssetJobDefinition:
    return define_asset_job(
        name,
        selection=selection,
        description=description,
        executor_def=in_process_executor,
        tags={"etlmon/job": name},
    )


def build_jobs() -> list[UnresolvedAssetJobDefinition]:
    """All jobs of the analytics location."""
    captured = AssetSelection.assets(*_CAPTURED)
    return [
        _job(
            CAPTURE_JOB,
            captured | AssetSelection.assets(keys.ANOMALIES),
            "Every minute: capture all due loaders, judge what arrived.",
        ),
        _job(
            "analytics",
            AssetSelection.assets(
                keys.SIGNALS_HOURLY,
                keys.BASELINES,
                keys.INCIDENT_PERIODS,
                keys.CONTROL_CHARTS,
                keys.LOG_PATTERNS,
                keys.CAPACITY,
            ),
            "Every quarter of an hour: rollup, baselines, control charts, log patterns, capacity dates.",
        ),
        _job(
            "outlook",
            AssetSelection.assets(keys.SEASONALITY, keys.FORECASTS),
            "Every six hours: seasons and forecasts.",
        ),
        _job(
            "marts_and_sla",
            AssetSelection.groups(keys.GROUP_MARTS) | AssetSelection.assets(keys.REPORT_SLA),
            "Every hour: the dbt marts and the SLA report.",
        ),
        _job("reports", AssetSelection.groups(keys.GROUP_REPORTS), "Mondays: the weekly, monthly and SLA reports."),
        _job(
            BOOTSTRAP_JOB,
            AssetSelection.all() - AssetSelection.groups(keys.GROUP_SOURCES),
            "Once after the first start: capture the history of all loaders and derive everything from it.",
        ),
    ]


@schedule(
    name="every_minute",
    job_name=CAPTURE_JOB,
    cron_schedule="* * * * *",
    execution_timezone="UTC",
    default_status=DefaultScheduleStatus.RUNNING,
    description="Capture what is due and judge it.",
)
def every_minute(context: ScheduleEvaluationContext) -> RunRequest:
    """One run per minute, on the partition of its day; the run key makes a repeated tick harmless."""
    at = context.scheduled_execution_time
    key = f"capture-{at:%Y%m%dT%H%M}"
    return RunRequest(run_key=key, partition_key=f"{at:%Y-%m-%d}", run_config=_DUE, tags={"etlmon/correlation_id": key})


def build_schedules() -> list[ScheduleDefinition]:
    """All schedules of the analytics location, running by default."""
    crons = {
        "analytics": ("2,17,32,47 * * * *", "Rollup and everything derived from it."),
        "outlook": ("20 */6 * * *", "Seasons and forecasts."),
        "marts_and_sla": ("10 * * * *", "Marts and SLA report."),
        "reports": ("0 6 * * 1", "The reports of the week."),
    }
    return [
        every_minute,
        *(
            ScheduleDefinition(
                name=f"{job}_schedule",
                job_name=job,
                cron_schedule=cron,
                execution_timezone="UTC",
                default_status=DefaultScheduleStatus.RUNNING,
                description=text,
            )
            for job, (cron, text) in crons.items()
        ),
    ]
