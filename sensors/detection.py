"""Detection: as soon as a capture has ended well, all rules are judged on what arrived, and whoever has to know is told.

One run: rules → alerts → incidents → messages (one transaction), then the messages go out. What does not go out at once is the
business of `sensors.notification`.
"""

# Dagster reads annotations at definition time: no postponed evaluation here.
from dagster import (
    DagsterRunStatus,
    DefaultSensorStatus,
    In,
    JobSelector,
    Nothing,
    OpExecutionContext,
    RunRequest,
    RunsFilter,
    RunStatusSensorContext,
    in_process_executor,
    job,
    op,
    run_status_sensor,
)

from domain.detection.platform_events import event_of_succeeded_run
from resources.clock import utc_now
from resources.dagster_bindings import PlatformResource
from resources.operations import deliver_due, detect_and_correlate, find_failing_jobs, receive_events
from resources.postgres.engine import make_engine

CAPTURE = JobSelector(location_name="analytics", job_name="capture_due")


@op(description="Judge all rules on the newest samples; alerts, incidents and their first messages in one transaction.")
def judge_rules(context: OpExecutionContext, platform: PlatformResource) -> None:
    """Detection and correlation."""
    settings = platform.settings()
    with platform.open(is_read_only=True) as (url, lake):
        engine = make_engine(url)
        try:
            found = detect_and_correlate(settings, engine, lake, now=utc_now())
        finally:
            engine.dispose()
    for error in found.run.broken:
        context.log.warning("rule file: %s", error.reason)
    context.add_output_metadata(
        {
            "rules": found.run.rules,
            "series": found.run.series,
            "samples": found.run.samples,
            "duration_s": round(found.run.seconds, 2),
            "events": len(found.run.events),
            "rule_files_broken": len(found.run.broken),
            "alerts_begun": found.received.new_alerts,
            "alerts_ended": found.received.ended_alerts,
            "alerts_held_back": found.received.held_back,
            "incidents_opened": len(found.received.opened) + len(found.reviewed.opened),
            "incidents_reopened": len(found.received.reopened) + len(found.reviewed.reopened),
            "incidents_resolved": len(found.reviewed.resolved),
        }
    )


@op(ins={"start": In(Nothing)}, description="End the alerts about jobs that have succeeded since they failed.")
def end_recovered_runs(context: OpExecutionContext, platform: PlatformResource) -> None:
    """A run that ends well is the recovery of the failed one before it."""
    with platform.records() as engine:
        for job_name, failed_at in find_failing_jobs(engine).items():
            wanted = RunsFilter(job_name=job_name, statuses=[DagsterRunStatus.SUCCESS], updated_after=failed_at)
            for run in context.instance.get_runs(filters=wanted, limit=1):
                event = event_of_succeeded_run(job=job_name, run_id=run.run_id, ended_at=utc_now())
                receive_events(platform.settings(), engine, [event], now=utc_now())


@op(ins={"start": In(Nothing)}, description="Hand the messages that are due to their channels.")
def deliver_first_messages(context: OpExecutionContext, platform: PlatformResource) -> None:
    """Delivery right after detection: the first message leaves with the run that opened the incident."""
    with platform.records() as engine:
        sent = deliver_due(platform.settings(), engine, now=utc_now())
    context.add_output_metadata(
        {"sent": sent.sent, "delayed": sent.delayed, "dead": sent.dead, "summarised": sent.summarised}
    )


@job(
    executor_def=in_process_executor,
    tags={"etlmon/job": "detection"},
    description="After each capture: rules, alerts, incidents and the first messages.",
)
def detection() -> None:
    """Judge, then tell."""
    deliver_first_messages(start=end_recovered_runs(start=judge_rules()))


@run_status_sensor(
    name="capture_finished",
    run_status=DagsterRunStatus.SUCCESS,
    monitored_jobs=[CAPTURE],
    request_job=detection,
    minimum_interval_seconds=5,
    default_status=DefaultSensorStatus.RUNNING,
    description="Starts detection when a capture has ended well; once per capture.",
)
def capture_finished(context: RunStatusSensorContext) -> RunRequest:
    """The run key is the capture's: a tick that comes twice starts nothing twice."""
    run = context.dagster_run
    correlation_id = run.tags.get("etlmon/correlation_id", run.run_id)
    return RunRequest(run_key=f"detection-{run.run_id}", tags={"etlmon/correlation_id": correlation_id})
