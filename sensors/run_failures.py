"""Every failed run becomes one structured log line and an alert (E4); every failure of one job is the same alert."""

# Dagster reads annotations at definition time: no postponed evaluation here.
from dagster import DefaultSensorStatus, RunFailureSensorContext, run_failure_sensor

from domain.detection.platform_events import event_of_failed_run
from resources.clock import utc_now
from resources.dagster_bindings import PlatformResource
from resources.json_logs import correlated, get_logger
from resources.operations import receive_events


@run_failure_sensor(
    name="run_failures",
    monitor_all_code_locations=True,
    default_status=DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description="Writes one structured log line per failed run of either code location, and raises an alert about its job.",
)
def run_failures(context: RunFailureSensorContext, platform: PlatformResource) -> None:
    """Log the failure under the correlation id of the run."""
    run = context.dagster_run
    with correlated(run.tags.get("etlmon/correlation_id", run.run_id)):
        get_logger(__name__).error(
            "run failed",
            errorType="RUN_FAILED",
            reason=context.failure_event.message,
            runId=run.run_id,
            job=run.job_name,
            suggestion="open the run in the Dagster UI; a failed capture leaves its windows due and is caught up by the next one",
        )
        now = utc_now()
        event = event_of_failed_run(
            job=run.job_name,
            run_id=run.run_id,
            error=context.failure_event.message or "no reason given",
            failed_at=now,
        )
        with platform.records() as engine:
            receive_events(platform.settings(), engine, [event], now=now)
