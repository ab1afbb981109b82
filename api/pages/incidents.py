"""Incidents: the list, the most urgent first, with counts and filters that an address keeps (E2)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response

from api.access import allow, control_plane, current_caller
from api.pages.error_pages import page_router
from api.pages.filters import read_text, read_words
from api.pages.rendering import render
from domain.detection.alert_event import Category
from domain.incidents.view import IncidentState
from domain.vocabulary import Severity
from resources.incidents.filtering import SORTS, IncidentFilter
from resources.incidents.listing import count_incidents, list_incidents
from resources.postgres.engine import reading

router = page_router()
CRUMBS = [("Overview", "/"), ("Incidents", "/incidents")]
SEVERITIES = [(one.value, one.value.capitalize()) for one in Severity]
CATEGORIES = [(one.value, one.value.capitalize()) for one in Category]
_PAGE = 100
_FILTERS = ("q", "state", "severity", "category", "service", "assignee", "who", "drill")
_DRILL = {"yes": True, "no": False}


@router.get("/incidents")
@allow("incidents", "read")
def list_all(request: Request, offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0) -> Response:
    """What is open, unless the address asks for something else."""
    given = {name: read_text(request, name) for name in _FILTERS}
    given["state"] = given["state"] if "state" in request.query_params else "open"
    sort = read_text(request, "sort")
    sort = sort if sort.removeprefix("-") in SORTS else "urgency"
    with reading(control_plane(request).engine) as connection:
        found = list_incidents(
            connection, _filter(given, me=current_caller(request).username), sort=sort, limit=_PAGE, offset=offset
        )
        counts = count_incidents(connection)
    return render(
        request,
        "incidents.html",
        crumbs=CRUMBS,
        incidents=found.items,
        total=found.total,
        counts=counts,
        offset=offset,
        limit=_PAGE,
        sort=sort,
        given=given,
        is_filtered=any(value for name, value in given.items() if (name, value) != ("state", "open")),
        states=[("open", "Not over"), *((one.value, one.value.capitalize()) for one in IncidentState), ("", "All")],
        severities=[("", "All"), *SEVERITIES],
        categories=[("", "All"), *CATEGORIES],
    )


def _filter(given: dict[str, str], *, me: str) -> IncidentFilter:
    return IncidentFilter(
        states=frozenset(read_words([given["state"]], IncidentState)),
        severities=frozenset(read_words([given["severity"]], Severity)),
        category=given["category"],
        service=given["service"],
        assignee=given["assignee"],
        mine=me if given["who"] == "me" else "",
        text=given["q"],
        is_open=True if given["state"] == "open" else None,
        is_drill=_DRILL.get(given["drill"]),
        is_merged=None if given["state"] in ("", IncidentState.CLOSED) else False,
    )
