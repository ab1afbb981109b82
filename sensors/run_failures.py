"""Every failed run becomes one structured log line with error type, reason and suggestion. Alerts on it are built on top."""

# Dagster reads annotations at definition time: no postponed evaluation here.
from dagster import DefaultSensorStatus, RunFailureSensorContext, run_failure_sensor

from resources.json_logs import correlated, get_logger


@run_failure_sensor(
    name="run_failures",
    monitor_all_code_locations=True,
    default_status=DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description="Writes one structured log line per failed run of either code location.",
)
def run_failures(context: RunFailureSensorContext) -> None:
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
