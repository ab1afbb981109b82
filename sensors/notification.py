"""Telling people in time: messages that are due, escalations that are due, SLA clocks and snoozes that are due.

Each sensor asks one cheap question of PostgreSQL and starts a run only when something waits. The run key names the slot of
time, so that a tick that comes twice starts nothing twice, and every job may run again without effect.
"""

# Dagster reads annotations at definition time: no postponed evaluation here.
from dagster import (
    DefaultSensorStatus,
    In,
    JobDefinition,
    Nothing,
    OpExecutionContext,
    RunRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    in_process_executor,
    job,
    op,
    sensor,
)

from resources import operations
from resources.clock import utc_now
from resources.dagster_bindings import PlatformResource

_SLOT_S = 15


@op(ins={"start": In(Nothing)}, description="Hand the messages that are due to their channels.")
def deliver_messages(context: OpExecutionContext, platform: PlatformResource) -> None:
    """Delivery."""
    with platform.records() as engine:
        sent = operations.deliver_due(platform.settings(), engine, now=utc_now())
    context.add_output_metadata(
        {"sent": sent.sent, "delayed": sent.delayed, "dead": sent.dead, "summarised": sent.summarised}
    )


@op(description="Take the next step of every incident that nobody has acknowledged in time.")
def take_escalation_steps(context: OpExecutionContext, platform: PlatformResource) -> None:
    """Escalation."""
    with platform.records() as engine:
        escalated = operations.escalate_due(platform.settings(), engine, now=utc_now())
    context.add_output_metadata({"incidents_escalated": escalated})


@op(description="Wake snoozed incidents, warn before SLA targets are missed, note those that are.")
def watch_incident_clocks(context: OpExecutionContext, platform: PlatformResource) -> None:
    """SLA clocks and snoozes."""
    with platform.records() as engine:
        seen = operations.watch_clocks(platform.settings(), engine, now=utc_now())
    context.add_output_metadata({"woken": seen.woken, "warned": seen.warned, "breached": seen.breached})


@job(
    executor_def=in_process_executor,
    tags={"etlmon/job": "notification"},
    description="Sends the messages that are due.",
)
def notification() -> None:
    """Delivery alone: retries, bundles, what came from outside of detection."""
    deliver_messages()


@job(
    executor_def=in_process_executor,
    tags={"etlmon/job": "escalation"},
    description="Pages the next in line where nobody has acknowledged in time.",
)
def escalation() -> None:
    """Escalation, then delivery."""
    deliver_messages(start=take_escalation_steps())


@job(
    executor_def=in_process_executor,
    tags={"etlmon/job": "sla"},
    description="Wakes snoozed incidents, warns before an SLA target is missed, notes those that are.",
)
def sla() -> None:
    """Clocks, then delivery of the warnings."""
    deliver_messages(start=watch_incident_clocks())


def _due_sensor(name: str, wanted: str, job_: JobDefinition, every_s: int, text: str) -> SensorDefinition:
    @sensor(
        name=name,
        job=job_,
        minimum_interval_seconds=every_s,
        default_status=DefaultSensorStatus.RUNNING,
        description=text,
    )
    def due(_: SensorEvaluationContext, platform: PlatformResource) -> RunRequest | SkipReason:
        now = utc_now()
        with platform.records() as engine:
            is_due = getattr(operations.find_due_work(engine, now=now), wanted)
        if not is_due:
            return SkipReason("nothing is due")
        slot = f"{name}-{int(now.timestamp()) // _SLOT_S}"
        return RunRequest(run_key=slot, tags={"etlmon/correlation_id": slot})

    return due


NOTIFICATION_JOBS = [notification, escalation, sla]
NOTIFICATION_SENSORS = [
    _due_sensor("messages_due", "messages", notification, 5, "Starts delivery when a message waits that is due."),
    _due_sensor("escalations_due", "escalations", escalation, 10, "Starts escalation when a step is due."),
    _due_sensor(
        "clocks_due",
        "clocks",
        sla,
        20,
        "Starts the watch of SLA clocks when a warning, a miss or the end of a snooze is due.",
    ),
]
