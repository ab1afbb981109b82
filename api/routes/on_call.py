"""/api/v1/on-call: who is on call now and in the coming days, gaps, overrides, calendars, and what the auditor finds (H6)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from api.access import allow, control_plane, current_caller
from api.wire import Instant, Limit, Offset, WireModel, answers
from domain.notification.ical import render_ical
from domain.notification.on_call import Override, Shift, list_shifts
from domain.notification.people import NAME
from domain.notification.rules import NotificationRules
from resources.channels import channels_of
from resources.clock import utc_now
from resources.notification.auditor import audit_notification
from resources.notification.on_call import add_override, check_schedule, read_overrides, remove_override
from resources.notification.on_call_board import ScheduleBoard, read_board
from resources.postgres.engine import transaction

router = APIRouter(prefix="/api/v1/on-call", tags=["on-call"])

ScheduleName = Annotated[str, Path(pattern=NAME)]
Days = Annotated[int, Query(ge=1, le=90, description="days from now on")]
_FAR = timedelta(days=3650)


class OnCallNow(WireModel):
    """One schedule at this moment. `person` is null in a gap; `until` is the next handover."""

    schedule: str
    title: str
    time_zone: str
    person: str | None
    person_title: str | None
    source: str
    until: datetime | None


class OnCallList(WireModel):
    """All schedules."""

    at: datetime
    items: list[OnCallNow]


class ShiftAnswer(WireModel):
    """A stretch of time; `person` is null in a gap."""

    schedule: str
    starts_at: datetime
    ends_at: datetime
    person: str | None
    source: str


class ShiftList(WireModel):
    """In order of time."""

    items: list[ShiftAnswer]


class OverrideChange(WireModel):
    """Somebody takes over for a while."""

    schedule: str = Field(pattern=NAME)
    person: str = Field(pattern=NAME)
    starts_at: Instant
    ends_at: Instant
    reason: str = Field(default="", max_length=500)


class OverrideAnswer(WireModel):
    """One override."""

    id: int
    schedule: str
    person: str
    starts_at: datetime
    ends_at: datetime
    reason: str
    created_by: str


class OverridePage(WireModel):
    """Overrides that have not ended, by their beginning."""

    items: list[OverrideAnswer]
    total: int


class WeaknessAnswer(WireModel):
    """What keeps, or will keep, somebody from being told. `is_silence`: nobody would be told at all."""

    subject: str
    detail: str
    remedy: str
    is_silence: bool


class AuditAnswer(WireModel):
    """Empty: all is well."""

    at: datetime
    items: list[WeaknessAnswer]


@router.get("")
@allow("on-call", "read")
def who_now(request: Request) -> OnCallList:
    """Who is on call now."""
    control, now = control_plane(request), utc_now()
    rules = control.notification_rules()
    with transaction(control.engine) as connection:
        board = read_board(connection, rules, now=now, days=14)
    return OnCallList(at=now, items=[_now(rules, one) for one in board.schedules])


@router.get("/schedules/{schedule}")
@allow("on-call", "read")
def show_schedule(request: Request, schedule: ScheduleName, days: Days = 14) -> ShiftList:
    """The coming shifts, gaps included."""
    shifts, _ = _shifts(request, schedule, days)
    return ShiftList(items=[_shift(schedule, one) for one in shifts])


@router.get("/schedules/{schedule}/calendar.ics", response_class=Response)
@allow("on-call", "read")
def export_calendar(request: Request, schedule: ScheduleName, days: Days = 90) -> Response:
    """The coming shifts as iCalendar."""
    shifts, title = _shifts(request, schedule, days)
    body = render_ical(schedule, shifts, title=title, now=utc_now())
    return Response(body, media_type="text/calendar; charset=utf-8")


@router.get("/gaps")
@allow("on-call", "read")
def list_all_gaps(request: Request, days: Days = 14) -> ShiftList:
    """When nobody is on call, of every schedule."""
    names = sorted(control_plane(request).notification_rules().schedules)
    gaps = [_shift(name, one) for name in names for one in _shifts(request, name, days)[0] if one.person is None]
    return ShiftList(items=sorted(gaps, key=lambda one: one.starts_at))


@router.get("/overrides")
@allow("on-call", "read")
def list_overrides(request: Request, limit: Limit = 100, offset: Offset = 0) -> OverridePage:
    """Those that have not ended yet."""
    now = utc_now()
    with transaction(control_plane(request).engine) as connection:
        found = read_overrides(connection, start=now, end=now + _FAR)
    return OverridePage(items=[_override(one) for one in found[offset : offset + limit]], total=len(found))


@router.post("/overrides", status_code=201)
@allow("on-call", "edit")
def create_override(request: Request, change: OverrideChange) -> OverrideAnswer:
    """In force at once; the newest override of a schedule wins."""
    control = control_plane(request)
    with transaction(control.engine) as connection:
        made = add_override(
            connection,
            control.notification_rules(),
            schedule=change.schedule,
            person=change.person,
            starts_at=change.starts_at,
            ends_at=change.ends_at,
            reason=change.reason,
            actor=current_caller(request).username,
            now=utc_now(),
            audit=control.audit,
        )
    return _override(made)


@router.delete("/overrides/{override_id}", status_code=204, responses=answers(204))
@allow("on-call", "edit")
def delete_override(request: Request, override_id: Annotated[int, Path(ge=1, le=2**62)]) -> None:
    """The schedule holds again."""
    control = control_plane(request)
    with transaction(control.engine) as connection:
        remove_override(connection, override_id, actor=current_caller(request).username, audit=control.audit)


@router.get("/audit")
@allow("on-call", "read")
def audit_now(request: Request) -> AuditAnswer:
    """What keeps, or will keep, somebody from being told; silences first."""
    control, now = control_plane(request), utc_now()
    loaded = control.notification_rules.load()
    with transaction(control.engine) as connection:
        found = audit_notification(connection, loaded, channels_of(control.settings), now=now)
    items = [
        WeaknessAnswer(subject=one.subject, detail=one.detail, remedy=one.remedy, is_silence=one.is_silence)
        for one in found
    ]
    return AuditAnswer(at=now, items=items)


def _shifts(request: Request, schedule: str, days: int) -> tuple[list[Shift], str]:
    control, now = control_plane(request), utc_now().replace(microsecond=0)
    rules, end = control.notification_rules(), now + timedelta(days=days)
    check_schedule(rules, schedule)
    with transaction(control.engine) as connection:
        overrides = read_overrides(connection, schedule, start=now, end=end)
    return list_shifts(rules.schedules[schedule], now, end, overrides=overrides), rules.schedules[schedule].title


def _now(rules: NotificationRules, one: ScheduleBoard) -> OnCallNow:
    known = rules.people.get(one.present.person or "")
    return OnCallNow(
        schedule=one.name,
        title=one.title,
        time_zone=one.time_zone,
        person=one.present.person,
        person_title=known.title if known else None,
        source=one.present.source,
        until=one.present.ends_at,
    )


def _shift(schedule: str, one: Shift) -> ShiftAnswer:
    return ShiftAnswer(
        schedule=schedule, starts_at=one.starts_at, ends_at=one.ends_at, person=one.person, source=one.source
    )


def _override(one: Override) -> OverrideAnswer:
    return OverrideAnswer(
        id=one.override_id,
        schedule=one.schedule,
        person=one.person,
        starts_at=one.starts_at,
        ends_at=one.ends_at,
        reason=one.reason,
        created_by=one.created_by,
    )
