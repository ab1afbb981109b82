"""Keeping house: retention, compaction, purge of old runs, anchors of the audit. Each is an op that may be killed and run again."""

# Dagster reads annotations at definition time: no postponed evaluation here.
from datetime import timedelta

from dagster import (
    DefaultScheduleStatus,
    JobDefinition,
    OpExecutionContext,
    RunsFilter,
    ScheduleDefinition,
    in_process_executor,
    job,
    op,
)

from resources.clock import utc_now
from resources.control_plane import open_control_plane
from resources.dagster_bindings import PlatformResource
from resources.duty.purge import purge_messages
from resources.lake.maintenance import apply_retention, compact
from resources.platform import open_database

_PURGE_BATCH = 500


@op(description="Delete raw signals, log lines, ledger and rollups that the retention policy no longer keeps.")
def apply_retention_policy(context: OpExecutionContext, platform: PlatformResource) -> None:
    """Retention of the lake."""
    with platform.open() as (_, lake):
        deleted = apply_retention(lake, platform.settings(), now=utc_now())
    context.add_output_metadata({**deleted})


@op(description="Write inlined rows to files, merge small files, expire snapshots, remove files nobody can read.")
def compact_lake(context: OpExecutionContext, platform: PlatformResource) -> None:
    """Compaction of the lake."""
    with platform.open() as (_, lake):
        result = compact(lake, now=utc_now())
    context.add_output_metadata(
        {
            "files_before": result.files_before,
            "files_after": result.files_after,
            "snapshots_expired": result.snapshots_expired,
        }
    )


@op(description="Delete finished runs older than ETLMON_RETENTION_RUN_DAYS with their events, at most 500 a time.")
def purge_old_runs(context: OpExecutionContext, platform: PlatformResource) -> None:
    """Purge of Dagster's storage."""
    until = utc_now() - timedelta(days=platform.settings().retention_run_days)
    records = context.instance.get_run_records(filters=RunsFilter(created_before=until), limit=_PURGE_BATCH)
    finished = [record.dagster_run.run_id for record in records if record.dagster_run.is_finished]
    for run_id in finished:
        context.instance.delete_run(run_id)
    context.add_output_metadata({"runs_deleted": len(finished)})


@op(description="Delete login attempts and ended sessions older than ETLMON_RETENTION_LOGIN_DAYS.")
def purge_logins(context: OpExecutionContext, platform: PlatformResource) -> None:
    """Retention of the login tables; the audit of changes is never purged."""
    settings = platform.settings()
    with open_database(settings) as url, open_control_plane(settings, url) as control:
        deleted = control.login_audit.purge(until=utc_now() - timedelta(days=settings.retention_login_days))
    context.add_output_metadata({"rows_deleted": deleted})


@op(
    description="Delete sent messages, deliveries of others and decisions about alerts older than ETLMON_RETENTION_MESSAGE_DAYS."
)
def purge_old_messages(context: OpExecutionContext, platform: PlatformResource) -> None:
    """Retention of what was told; incidents, timelines, alerts and dead letters stay."""
    until = utc_now() - timedelta(days=platform.settings().retention_message_days)
    with platform.records() as engine:
        deleted = purge_messages(engine, until=until)
    context.add_output_metadata({**deleted})


@op(description="Write down outside of the database what the newest audit entry is, so that a cut-off end is noticed.")
def anchor_audit_head(context: OpExecutionContext, platform: PlatformResource) -> None:
    """Anchor of the audit."""
    settings = platform.settings()
    with open_database(settings) as url, open_control_plane(settings, url) as control:
        anchor = control.audit_trail.anchors.append_head(control.engine, by="schedule")
    context.add_output_metadata({"sequence": anchor.sequence if anchor else 0})


@job(
    executor_def=in_process_executor,
    tags={"etlmon/job": "audit_anchor"},
    description="Every hour: the head of the audit is anchored in HOME/audit/anchors.jsonl.",
)
def audit_anchor() -> None:
    """Anchoring alone."""
    anchor_audit_head()


@job(
    executor_def=in_process_executor,
    tags={"etlmon/job": "compaction"},
    description="Every half hour: few, large, sorted files instead of many small ones.",
)
def compaction() -> None:
    """Compaction alone."""
    compact_lake()


@job(
    executor_def=in_process_executor,
    tags={"etlmon/job": "retention"},
    description="Every night: retention of the lake, of logins, of messages and of old Dagster runs.",
)
def retention() -> None:
    """Retention and purge."""
    apply_retention_policy()
    purge_old_runs()
    purge_logins()
    purge_old_messages()


MAINTENANCE_JOBS: list[JobDefinition] = [compaction, retention, audit_anchor]
MAINTENANCE_SCHEDULES = [
    ScheduleDefinition(
        name=f"{one.name}_schedule",
        job=one,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=DefaultScheduleStatus.RUNNING,
        description=one.description,
    )
    for one, cron in ((compaction, "25,55 * * * *"), (retention, "40 2 * * *"), (audit_anchor, "5 * * * *"))
]
