"""/api/v1/maintenance-windows: planned work, once or again and again in a time zone (D7)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import Field

from api.access import allow, current_caller
from api.alerting import Matchers, Moment, Reason, Services, WireMatcher, plain
from api.wire import Instant, WireModel
from domain.access.permissions import Caller
from resources.clock import utc_now

router = APIRouter(prefix="/api/v1/maintenance-windows", tags=["silences"])

Asking = Annotated[Caller, Depends(current_caller)]


class NewWindow(WireModel):
    """Either `starts_at` and `ends_at`, or `cron`, `duration_s` and `time_zone`."""

    title: str = Field(min_length=1, max_length=200, pattern=r"\S")
    matchers: Matchers
    reason: Reason
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    cron: str | None = Field(default=None, max_length=100)
    duration_s: int | None = Field(default=None, ge=60, le=604_800)
    time_zone: str = Field(default="UTC", max_length=60)


class WindowMade(WireModel):
    """The number of the new window."""

    window_id: int


class WindowAnswer(WireModel):
    """One window; `open_until` while it is open."""

    window_id: int
    title: str
    matchers: list[WireMatcher]
    reason: str
    created_by: str
    starts_at: Instant | None
    ends_at: Instant | None
    cron: str | None
    duration_s: int | None
    time_zone: str
    open_until: Instant | None


class WindowPage(WireModel):
    """Newest first."""

    items: list[WindowAnswer]


@router.get("")
@allow("silences", "read")
def list_windows(services: Services) -> WindowPage:
    """Windows that are open or can open again."""
    items = [
        WindowAnswer(
            window_id=window.window_id,
            title=window.title,
            matchers=[WireMatcher(**one.model_dump()) for one in window.matchers],
            reason=window.reason,
            created_by=window.created_by,
            starts_at=window.starts_at,
            ends_at=window.ends_at,
            cron=window.cron,
            duration_s=window.duration_s,
            time_zone=window.time_zone,
            open_until=open_until,
        )
        for window, open_until in services.silences.list_windows(now=utc_now())
    ]
    return WindowPage(items=items)


@router.post("", status_code=201)
@allow("silences", "act")
def add_window(services: Services, caller: Asking, given: NewWindow) -> WindowMade:
    """Plan work: what matches is recorded and told to nobody while the window is open."""
    window_id = services.silences.add_window(
        plain(given.matchers),
        title=given.title,
        reason=given.reason,
        actor=caller.username,
        now=utc_now(),
        starts_at=given.starts_at,
        ends_at=given.ends_at,
        cron=given.cron,
        duration_s=given.duration_s,
        time_zone=given.time_zone,
    )
    return WindowMade(window_id=window_id)


@router.delete("/{window_id:int}", status_code=204)
@allow("silences", "act")
def end_window(services: Services, caller: Asking, window_id: Annotated[int, Path(ge=1, le=2**63 - 1)]) -> None:
    """End it now and for ever."""
    services.silences.end_window(window_id, actor=caller.username)
