"""Tickets in Jira: a job of its own, so that a Jira that is slow or down delays no alert and no message.

The sensor asks PostgreSQL whether a ticket is due or the last poll is long ago; the run key names the slot of time.
"""

# Dagster reads annotations at definition time: no postponed evaluation here.
from dagster import (
    DefaultSensorStatus,
    OpExecutionContext,
    RunRequest,
    SensorEvaluationContext,
    SkipReason,
    in_process_executor,
    job,
    op,
    sensor,
)

from domain.errors import ConfigurationError
from resources.clock import utc_now
from resources.dagster_bindings import PlatformResource
from resources.tickets.service import is_set_up, is_work_due, run_tickets

_SLOT_S = 15


@op(description="Bring the tickets that are due and their incidents together, both ways.")
def bring_tickets_together(context: OpExecutionContext, platform: PlatformResource) -> None:
    """Tickets."""
    with platform.records() as engine:
        run = run_tickets(platform.settings(), engine, now=utc_now())
    synced = run.synced
    context.add_output_metadata(
        {
            "done": synced.done,
            "created": synced.created,
            "heard": synced.heard,
            "delayed": synced.delayed,
            "refused": synced.refused,
            "gone": synced.gone,
            "changed_over_there": run.polled.changed,
            "lacked_a_ticket": run.polled.missing,
            **({"not_asked": run.poll_error} if run.poll_error else {}),
        }
    )


@job(
    executor_def=in_process_executor,
    tags={"etlmon/job": "tickets"},
    description="Creates and updates tickets in Jira, and carries back what people did there.",
)
def tickets() -> None:
    """Both ways."""
    bring_tickets_together()


@sensor(
    job=tickets,
    minimum_interval_seconds=10,
    default_status=DefaultSensorStatus.RUNNING,
    description="Starts the ticket job when a ticket is due, and once a minute to ask Jira what changed.",
)
def tickets_due(_: SensorEvaluationContext, platform: PlatformResource) -> RunRequest | SkipReason:
    """Nothing without a Jira."""
    settings, now = platform.settings(), utc_now()
    try:
        if not is_set_up(settings):
            return SkipReason("Jira is not set up")
        with platform.records() as engine:
            if not is_work_due(settings, engine, now=now):
                return SkipReason("nothing is due")
    except ConfigurationError as error:
        return SkipReason(error.reason)
    slot = f"tickets-{int(now.timestamp()) // _SLOT_S}"
    return RunRequest(run_key=slot, tags={"etlmon/correlation_id": slot})
