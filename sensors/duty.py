"""Watching over those who watch: would somebody be told, is everything captured, has a drill's time come, who is on call elsewhere.

The daemon that runs this cannot say that it is dead: the API watches it (`api.watchdog`).
"""

# Dagster reads annotations at definition time: no postponed evaluation here.
from dagster import (
    DefaultScheduleStatus,
    DefaultSensorStatus,
    In,
    Nothing,
    OpExecutionContext,
    RunRequest,
    ScheduleEvaluationContext,
    SensorEvaluationContext,
    SkipReason,
    in_process_executor,
    job,
    op,
    schedule,
    sensor,
)

from resources import operations
from resources.clock import utc_now
from resources.dagster_bindings import PlatformResource
from resources.drills.opening import is_drill_due, open_drill_desk
from resources.duty.round import is_round_due, make_round
from resources.notification.on_call_import import import_rotas
from resources.notification.rule_store import RuleStore
from resources.postgres.engine import make_engine

_SLOT_S = 30


@op(
    description="Look at notification, on-call and capture; what is found becomes one incident, what is mended ends it."
)
def look_round(context: OpExecutionContext, platform: PlatformResource) -> None:
    """The auditor of silence, and the watch of capture."""
    with platform.open(is_read_only=True) as (url, lake):
        engine = make_engine(url)
        try:
            found = make_round(platform.settings(), engine, lake, now=utc_now())
        finally:
            engine.dispose()
    context.add_output_metadata(
        {
            "is_notification_configured": found.is_configured,
            "weaknesses": len(found.weaknesses),
            "silences": sum(one.is_silence for one in found.weaknesses),
            "alerts_firing": found.firing,
            "alerts_ended": found.ended,
        }
    )


@op(ins={"start": In(Nothing)}, description="Hand the messages that are due to their channels.")
def deliver_findings(context: OpExecutionContext, platform: PlatformResource) -> None:
    """Delivery."""
    with platform.records() as engine:
        sent = operations.deliver_due(platform.settings(), engine, now=utc_now())
    context.add_output_metadata({"sent": sent.sent, "delayed": sent.delayed, "dead": sent.dead})


@op(description="End the drill whose time is over, report the one that has faded, repeat a start that got lost.")
def advance_drill(context: OpExecutionContext, platform: PlatformResource) -> None:
    """Drills end by themselves, whatever happened to who started them."""
    with platform.records() as engine:
        drill = open_drill_desk(platform.settings(), engine).advance(now=utc_now())
    if drill is not None:
        context.add_output_metadata({"drill": drill.drill_id, "state": drill.state.value})


@op(
    description="Read the rotas that PagerDuty, Opsgenie or calendars keep; one that cannot be read keeps its last shifts."
)
def read_rotas(context: OpExecutionContext, platform: PlatformResource) -> None:
    """On-call shifts of other systems."""
    settings = platform.settings()
    with platform.records() as engine:
        found = import_rotas(settings, engine, RuleStore(settings)(), now=utc_now())
    for one in found:
        if one.problem:
            context.log.warning("rota of %s not read: %s", one.schedule, one.problem)
    context.add_output_metadata({one.schedule: one.problem or f"{one.shifts} shifts" for one in found})


@job(
    executor_def=in_process_executor,
    tags={"etlmon/job": "duty"},
    description="Every quarter of an hour, first at start: says “nobody would be paged now” before it happens.",
)
def duty() -> None:
    """Look, then tell."""
    deliver_findings(start=look_round())


@job(
    executor_def=in_process_executor,
    tags={"etlmon/job": "drills"},
    description="Ends drills and writes their reports.",
)
def drills() -> None:
    """Drills alone; what they say is sent like every other message."""
    advance_drill()


@job(
    name="import_rotas",
    executor_def=in_process_executor,
    tags={"etlmon/job": "import_rotas"},
    description="Every quarter of an hour, where a schedule is kept by PagerDuty, Opsgenie or a calendar: who is on call there.",
)
def import_rotas_job() -> None:
    """Reading alone."""
    read_rotas()


@sensor(
    name="duty_due",
    job=duty,
    minimum_interval_seconds=60,
    default_status=DefaultSensorStatus.RUNNING,
    description="Starts a round of duty when the last one is a quarter of an hour ago, and so at a start after a pause.",
)
def duty_due(_: SensorEvaluationContext, platform: PlatformResource) -> RunRequest | SkipReason:
    """The run key names the minute."""
    now = utc_now()
    with platform.records() as engine:
        is_due = is_round_due(engine, now=now)
    if not is_due:
        return SkipReason("the last round was less than a quarter of an hour ago")
    return RunRequest(run_key=f"duty-{int(now.timestamp()) // 60}")


@sensor(
    name="drills_due",
    job=drills,
    minimum_interval_seconds=20,
    default_status=DefaultSensorStatus.RUNNING,
    description="Starts the end of a drill when its time has come.",
)
def drills_due(_: SensorEvaluationContext, platform: PlatformResource) -> RunRequest | SkipReason:
    """The run key names the slot of time."""
    now = utc_now()
    with platform.records() as engine:
        is_due = is_drill_due(platform.settings(), engine, now=now)
    return RunRequest(run_key=f"drills-{int(now.timestamp()) // _SLOT_S}") if is_due else SkipReason("no drill is due")


@schedule(
    name="import_rotas_schedule",
    job=import_rotas_job,
    cron_schedule="3,18,33,48 * * * *",
    execution_timezone="UTC",
    default_status=DefaultScheduleStatus.RUNNING,
    description="Reads the rotas of other systems, where a schedule has one.",
)
def import_rotas_schedule(_: ScheduleEvaluationContext, platform: PlatformResource) -> RunRequest | SkipReason:
    """No run where no schedule is kept elsewhere."""
    rules = RuleStore(platform.settings())()
    if any(one.external is not None for one in rules.schedules.values()):
        return RunRequest()
    return SkipReason("no schedule is kept by another system")


DUTY_JOBS = [duty, drills, import_rotas_job]
DUTY_SENSORS = [duty_due, drills_due]
DUTY_SCHEDULES = [import_rotas_schedule]
