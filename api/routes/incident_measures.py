"""/api/v1/incidents/measures and /sla-report: how fast incidents are found and ended, and which targets were met (E3)."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response

from api.access import allow
from api.alerting import Services
from api.wire import Instant, WireModel
from domain.incidents.compliance import ComplianceReport, render_csv
from domain.incidents.measures import Duration, Measured
from domain.incidents.sla import Measure
from domain.incidents.view import incident_code
from domain.reporting.period import parse_period
from domain.vocabulary import Severity
from resources.clock import utc_now
from resources.incidents.measuring import measure_incidents, report_compliance
from resources.postgres.engine import reading

router = APIRouter(prefix="/api/v1/incidents", tags=["incidents"])

_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}


class StatisticAnswer(WireModel):
    """Seconds over `count` faults; null where there is none."""

    count: int
    median_s: float | None
    p90_s: float | None


class MeasuredAnswer(WireModel):
    """A line: a severity, or null for all of them; drills have a line of their own."""

    severity: Severity | None
    is_drill: bool
    faults: int
    durations: dict[Duration, StatisticAnswer]


class MeasuresAnswer(WireModel):
    """MTTD, MTTA, time to mitigate and MTTR of the faults first opened in [start, end)."""

    start_at: Instant
    end_at: Instant
    items: list[MeasuredAnswer]


class ComplianceAnswer(WireModel):
    """A line; `missed_open` are missed already and open still, `undecided` open in time, `met_pct` of what is decided."""

    severity: Severity | None
    measure: Measure
    met: int
    missed: int
    missed_open: int
    undecided: int
    met_pct: float | None


class MissAnswer(WireModel):
    """A target that was missed, by `over_s` seconds that count."""

    incident: str
    title: str
    severity: Severity
    measure: Measure
    opened_at: Instant
    target_s: int
    spent_s: float
    over_s: float
    is_open: bool


class ComplianceReportAnswer(WireModel):
    """SLA targets of the incidents opened in a month or week, as they stand now."""

    period: str
    start_at: Instant
    end_at: Instant
    is_complete: bool
    incidents: int
    items: list[ComplianceAnswer]
    worst: list[MissAnswer]


@router.get("/measures")
@allow("incidents", "read")
def read_measures(
    services: Services, opened_from: Instant | None = None, opened_until: Instant | None = None
) -> MeasuresAnswer:
    """MTTD, MTTA, time to mitigate, MTTR: medians and 90th percentiles in seconds; by default of the last 30 days."""
    now = utc_now()
    start, end = opened_from or now - timedelta(days=30), opened_until or now
    with reading(services.control.engine) as connection:
        found = measure_incidents(connection, start=start, end=end)
    return MeasuresAnswer(start_at=start, end_at=end, items=[_measured(one) for one in found])


@router.get("/sla-report", responses=_CSV, response_model=ComplianceReportAnswer)
@allow("incidents", "read")
def read_sla_report(
    services: Services,
    period: Annotated[
        str, Query(max_length=20, description="2026-11, 2026-W47, this-month, last-week …")
    ] = "this-month",
    worst: Annotated[int, Query(ge=0, le=500, description="incidents to name")] = 10,
    file_format: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
) -> ComplianceReportAnswer | Response:
    """SLA targets met and missed by the incidents opened in a month or ISO week (UTC). Drills do not count."""
    now = utc_now()
    span = parse_period(period, today=now.date())
    with reading(services.control.engine) as connection:
        found = report_compliance(connection, start=span.start_at, end=span.end_at, now=now, worst=worst)
    if file_format == "csv":
        named = {"Content-Disposition": f'attachment; filename="etlmon-sla-{span.start}.csv"'}
        return Response(render_csv(found), media_type="text/csv", headers=named)
    return ComplianceReportAnswer(
        period=span.label,
        start_at=span.start_at,
        end_at=span.end_at,
        is_complete=span.is_complete,
        **_report(found),
    )


def _measured(one: Measured) -> MeasuredAnswer:
    """One line of the measures."""
    return MeasuredAnswer(**asdict(one))


def _report(found: ComplianceReport) -> dict[str, Any]:
    """The counted part of `ComplianceReportAnswer`."""
    worst = [asdict(one) for one in found.worst]
    return {
        "incidents": found.incidents,
        "items": [ComplianceAnswer(**asdict(one)) for one in found.lines],
        "worst": [MissAnswer(incident=incident_code(one.pop("incident_id")), **one) for one in worst],
    }
