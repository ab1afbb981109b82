"""/api/v1/drills: exercises: what can be exercised, start, stop, how each went (E5)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import Field

from api.access import allow, current_caller
from api.alerting import Services
from api.wire import Instant, Limit, Offset, WireModel
from domain.access.permissions import Caller
from domain.drills.drill import Drill, DrillMode, DrillOutcome, DrillState
from domain.drills.scenario import LONGEST_S, SHORTEST_S
from domain.vocabulary import Severity
from resources.clock import utc_now
from resources.drills.desk import Wanted
from resources.drills.reporting import report_of
from resources.drills.rows import list_drills, read_drill
from resources.postgres.engine import transaction

router = APIRouter(prefix="/api/v1/drills", tags=["drills"])

Asking = Annotated[Caller, Depends(current_caller)]
DrillId = Annotated[int, Path(ge=1, le=2**62)]


class ScenarioAnswer(WireModel):
    """What can be exercised; `fault` is made where the simulator runs."""

    name: str
    title: str
    summary: str
    service: str
    severity: Severity
    fault: str | None


class ScenarioPage(WireModel):
    """All of them, by name."""

    items: list[ScenarioAnswer]


class NewDrill(WireModel):
    """`escalate`: the third line and the manager may be told too."""

    scenario: str = Field(min_length=1, max_length=63, pattern=r"^[a-z][a-z0-9._-]*$")
    for_s: int | None = Field(
        default=None, ge=SHORTEST_S, le=LONGEST_S, strict=True, description="seconds; unset: the usual length"
    )
    escalate: bool = False


class DrillAnswer(WireModel):
    """One drill."""

    id: int
    scenario: str
    title: str
    mode: DrillMode
    state: DrillState
    outcome: DrillOutcome | None
    escalate: bool
    started_by: str
    started_at: Instant
    ends_at: Instant
    ended_at: Instant | None
    stopped_by: str | None
    over_at: Instant | None
    problem: str | None


class DrillPage(WireModel):
    """Newest first."""

    items: list[DrillAnswer]
    total: int


class StepAnswer(WireModel):
    """One step; `seconds` since `since`, `isMet` where it has a target that is decided."""

    name: str
    at: str | None
    since: str
    seconds: float | None
    target_s: int | None
    is_met: bool | None
    note: str


class ReportAnswer(WireModel):
    """How it went, or goes. `outlivers` are alerts that fired on after its end and were told as real."""

    drill: DrillAnswer
    steps: list[StepAnswer]
    targets_met: int
    targets_missed: list[str]
    alerts: int
    incidents: list[str]
    messages: dict[str, dict[str, int]]
    outlivers: list[int]


@router.get("")
@allow("drills", "read")
def list_all(services: Services, limit: Limit = 50, offset: Offset = 0) -> DrillPage:
    """Former drills and the one under way."""
    with transaction(services.control.engine) as connection:
        rows, total = list_drills(connection, limit=limit, offset=offset)
    return DrillPage(items=[_answer(one) for one in rows], total=total)


@router.get("/scenarios")
@allow("drills", "read")
def list_scenarios(services: Services) -> ScenarioPage:
    """What can be exercised."""
    items = [
        ScenarioAnswer(
            name=name,
            title=one.title,
            summary=one.summary,
            service=one.service,
            severity=one.severity,
            fault=one.fault,
        )
        for name, one in sorted(services.drills.rules.scenarios.items())
    ]
    return ScenarioPage(items=items)


@router.post("", status_code=201)
@allow("drills", "start")
def start(services: Services, caller: Asking, given: NewDrill) -> DrillAnswer:
    """Begin a drill: the fault is made, or the alert raised, before this answers. One at a time."""
    wanted = Wanted(given.scenario, given.for_s, given.escalate)
    return _answer(services.drills.start(wanted, actor=caller.username, now=utc_now(), audit=services.control.audit))


@router.get("/{drill_id:int}")
@allow("drills", "read")
def read_report(services: Services, drill_id: DrillId) -> ReportAnswer:
    """One drill and its report; of a drill under way as far as it has come."""
    with transaction(services.control.engine) as connection:
        drill = read_drill(connection, drill_id)
        report: dict[str, Any] = report_of(connection, drill, services.drills.rules)
    return ReportAnswer.model_validate({"drill": _answer(drill), **report})


@router.post("/{drill_id:int}/stop")
@allow("drills", "stop")
def stop(services: Services, caller: Asking, drill_id: DrillId) -> DrillAnswer:
    """End it now: the fault is cleared, its incidents are closed."""
    return _answer(services.drills.stop(drill_id, actor=caller.username, now=utc_now(), audit=services.control.audit))


def _answer(drill: Drill) -> DrillAnswer:
    return DrillAnswer(
        id=drill.drill_id,
        scenario=drill.name,
        title=drill.scenario.title,
        mode=drill.mode,
        state=drill.state,
        outcome=drill.outcome,
        escalate=drill.is_escalating,
        started_by=drill.started_by,
        started_at=drill.started_at,
        ends_at=drill.ends_at,
        ended_at=drill.ended_at,
        stopped_by=drill.stopped_by,
        over_at=drill.over_at,
        problem=drill.problem,
    )
