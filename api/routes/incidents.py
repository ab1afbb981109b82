"""/api/v1/incidents: list, read, open, act, split (E1, E2). Measures and report: `incident_measures`."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response

from api.access import allow
from api.alerting import Services
from api.incidents import IncidentId, SeenRevision, etag_of
from api.routes.auth import Asking
from api.routes.incident_answers import (
    ActedAnswer,
    ActionBody,
    FullIncident,
    IncidentAlert,
    IncidentAlerts,
    IncidentAnswer,
    IncidentList,
    NewIncidentBody,
    SplitBody,
    Timeline,
    answer_entry,
    answer_incident,
    facts_of,
)
from api.wire import Instant, Limit, Offset
from domain.incidents.lifecycle import Request
from domain.incidents.view import IncidentState, parse_incident
from domain.vocabulary import Severity
from resources.clock import utc_now
from resources.incidents.desk import NewIncident
from resources.incidents.filtering import IncidentFilter
from resources.incidents.listing import list_incidents
from resources.incidents.reading import read_alerts, read_incident, read_timeline
from resources.incidents.rows import read_view
from resources.postgres.engine import reading

router = APIRouter(prefix="/api/v1/incidents", tags=["incidents"])

_Word = Query(max_length=200, pattern=r"^[^\x00]*$")
Sort = Literal[
    "urgency", "-urgency", "incident", "-incident", "opened_at", "-opened_at", "last_alert_at", "-last_alert_at", "severity",
    "-severity", "state", "-state", "title", "-title", "service", "-service", "assignee", "-assignee",
]  # fmt: skip


def _wanted(
    caller: Asking,
    *,
    state: Annotated[list[IncidentState], Query(max_length=7)] = [],  # noqa: B006 - FastAPI copies it
    severity: Annotated[list[Severity], Query(max_length=4)] = [],  # noqa: B006
    category: Annotated[str, _Word] = "",
    service: Annotated[str, _Word] = "",
    assignee: Annotated[str, _Word] = "",
    search: Annotated[str, _Word] = "",
    is_mine: bool = False,
    is_open: bool | None = None,
    is_drill: bool | None = None,
    is_merged: bool | None = None,
    opened_from: Instant | None = None,
    opened_until: Instant | None = None,
) -> IncidentFilter:
    """`search` looks into titles and for codes; `is_mine`: assigned to who asks, or acknowledged by him."""
    return IncidentFilter(
        states=frozenset(state),
        severities=frozenset(severity),
        category=category,
        service=service,
        assignee=assignee,
        mine=caller.username if is_mine else "",
        text=search,
        is_open=is_open,
        is_drill=is_drill,
        is_merged=is_merged,
        opened_from=opened_from,
        opened_until=opened_until,
    )


Wanted = Annotated[IncidentFilter, Depends(_wanted)]


@router.get("")
@allow("incidents", "read")
def list_all_incidents(
    services: Services, wanted: Wanted, sort: Sort = "urgency", limit: Limit = 100, offset: Offset = 0
) -> IncidentList:
    """Incidents that fit: what is not over first, then the most urgent, then the newest; or by `sort`."""
    with reading(services.control.engine) as connection:
        page = list_incidents(connection, wanted, sort=sort, limit=limit, offset=offset)
    return IncidentList(items=[IncidentAnswer(**facts_of(row)) for row in page.items], total=page.total)


@router.post("", status_code=201)
@allow("incidents", "act")
def open_incident(services: Services, caller: Asking, body: NewIncidentBody, response: Response) -> FullIncident:
    """An incident that a person has found; whoever is on call is told as of any other."""
    now = utc_now()
    new = NewIncident(
        title=body.title.strip(),
        summary=body.summary,
        severity=body.severity,
        category=body.category.value,
        service=body.service,
        onset_at=now,
    )
    view = services.incident_service.open(new, actor=caller.username, cause="api", now=now, onset_at=body.onset_at)
    return _show(services, view.incident_id, response)


@router.get("/{incident_id}")
@allow("incidents", "read")
def read_one_incident(services: Services, incident_id: IncidentId, response: Response) -> FullIncident:
    """One incident with clocks, escalation, ticket and what is possible now; with its ETag."""
    return _show(services, incident_id, response)


@router.get("/{incident_id}/timeline")
@allow("incidents", "read")
def read_its_timeline(services: Services, incident_id: IncidentId, limit: Limit = 500, offset: Offset = 0) -> Timeline:
    """Everything that happened to it, in the order of time."""
    with reading(services.control.engine) as connection:
        read_view(connection, incident_id)
        entries, total = read_timeline(connection, incident_id, limit=limit, offset=offset)
    return Timeline(items=[answer_entry(one) for one in entries], total=total)


@router.get("/{incident_id}/alerts")
@allow("incidents", "read")
def read_its_alerts(
    services: Services, incident_id: IncidentId, limit: Limit = 200, offset: Offset = 0
) -> IncidentAlerts:
    """Its alerts, the likely cause first."""
    with reading(services.control.engine) as connection:
        read_view(connection, incident_id)
        rows, total = read_alerts(connection, incident_id, limit=limit, offset=offset)
    return IncidentAlerts(items=[IncidentAlert.model_validate(row) for row in rows], total=total)


@router.post("/{incident_id}/actions")
@allow("incidents", "act")
def act_on_incident(
    services: Services,
    caller: Asking,
    incident_id: IncidentId,
    *,
    body: ActionBody,
    seen: SeenRevision,
    response: Response,
) -> ActedAnswer:
    """Acknowledge, snooze, resolve … What is done already is answered with 200 and `isChange` false."""
    request = Request(
        body.action,
        caller.username,
        "api",
        utc_now(),
        reason=body.reason,
        until=body.until,
        assignee=body.assignee,
        severity=body.severity,
        into=parse_incident(body.into) if body.into else None,
    )
    acted = services.incident_service.act(incident_id, request, revision=seen)
    return ActedAnswer(is_change=acted.is_change, note=acted.note, incident=_show(services, incident_id, response))


@router.post("/{incident_id}/split", status_code=201)
@allow("incidents", "act")
def split_incident(
    services: Services,
    caller: Asking,
    incident_id: IncidentId,
    *,
    body: SplitBody,
    seen: SeenRevision,
    response: Response,
) -> FullIncident:
    """Some of its alerts become an incident of their own, which is answered."""
    view = services.incident_service.split(
        incident_id, body.alert_ids, actor=caller.username, cause="api", now=utc_now(), revision=seen
    )
    return _show(services, view.incident_id, response)


def _show(services: Services, incident_id: int, response: Response) -> FullIncident:
    with reading(services.control.engine) as connection:
        found = read_incident(connection, incident_id, now=utc_now())
    response.headers["ETag"] = etag_of(incident_id, found.row.revision)
    return answer_incident(found)
