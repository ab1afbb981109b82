"""Service levels: how fast faults were found and dealt with, and which targets were met, over a week or a month (E3)."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request, Response

from api.access import allow, control_plane
from api.pages.error_pages import page_router
from api.pages.filters import read_text
from api.pages.rendering import render
from domain.incidents.measures import Duration, Measured
from domain.reporting.period import parse_period
from resources.clock import utc_now
from resources.incidents.measuring import measure_incidents, report_compliance
from resources.postgres.engine import reading

router = page_router()
_CRUMBS = [("Overview", "/"), ("Service levels", "")]
PERIODS = [
    ("this-week", "This week"),
    ("last-week", "Last week"),
    ("this-month", "This month"),
    ("last-month", "Last month"),
]


@dataclass(frozen=True, slots=True)
class Bar:
    """One duration of one line as a share of the longest there is, in percent; None where nothing is known."""

    duration: Duration
    count: int
    median_s: float | None
    p90_s: float | None
    median_pct: float
    p90_pct: float


@router.get("/sla")
@allow("incidents", "read")
def show_service_levels(request: Request) -> Response:
    """Measures and targets of a period."""
    given, now = read_text(request, "period") or "this-month", utc_now()
    period = parse_period(given, today=now.date())
    with reading(control_plane(request).engine) as connection:
        measured = measure_incidents(connection, start=period.start_at, end=period.end_at)
        report = report_compliance(connection, start=period.start_at, end=period.end_at, now=now)
    return render(
        request,
        "sla.html",
        crumbs=_CRUMBS,
        given=given,
        period=period,
        periods=PERIODS,
        lines=[(one, _bars(one, measured)) for one in measured if one.faults or one.severity],
        report=report,
    )


def _bars(line: Measured, lines: list[Measured]) -> list[Bar]:
    """On one scale per duration, so that severities can be compared."""
    found = []
    for duration, one in line.durations.items():
        longest = max((other.durations[duration].p90_s or 0.0 for other in lines), default=0.0) or 1.0
        shares = (100.0 * (value or 0.0) / longest for value in (one.median_s, one.p90_s))
        found.append(Bar(duration, one.count, one.median_s, one.p90_s, *shares))
    return found
