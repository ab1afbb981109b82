"""/api/v1/silences: who does not want to hear of what, until when and why; a preview before; and the allow-list (D7, D8)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import Field

from api.access import allow, current_caller
from api.alerting import Matchers, Moment, Reason, Services, WireMatcher, plain
from api.wire import Instant, WireModel
from domain.access.permissions import Caller
from resources.alerts.silences import Preview
from resources.clock import utc_now

router = APIRouter(prefix="/api/v1/silences", tags=["silences"])

Asking = Annotated[Caller, Depends(current_caller)]
RuleName = Annotated[str, Field(min_length=1, max_length=200, description="a rule's id; * for all")]


class Meant(WireModel):
    """An alert that fires now and would be muted."""

    alert_id: int
    title: str
    rule_id: str
    severity: str
    labels: dict[str, str]
    incident_id: int | None


class PreviewAnswer(WireModel):
    """What matchers mean: firing now (the first hundred), and alerts of the last day by rule."""

    firing: int
    last_day: int
    by_rule: dict[str, int]
    is_complete: bool
    alerts: list[Meant]


class PreviewAsked(WireModel):
    """Matchers to look at."""

    matchers: Matchers


class NewSilence(WireModel):
    """A silence. Reason and end are no options."""

    matchers: Matchers
    starts_at: Moment | None = None
    ends_at: Moment
    reason: Reason


class SilenceAnswer(WireModel):
    """One silence; `holds_back` counts the firing alerts that it keeps from telling anybody."""

    silence_id: int
    matchers: list[WireMatcher]
    starts_at: Instant
    ends_at: Instant
    reason: str
    created_by: str
    created_at: Instant
    ended_by: str | None
    is_in_force: bool
    holds_back: int


class SilenceMade(WireModel):
    """The new silence and what it mutes now."""

    silence_id: int
    preview: PreviewAnswer


class SilencePage(WireModel):
    """Newest first."""

    items: list[SilenceAnswer]


class NoisyEntry(WireModel):
    """An entry of the allow-list: recorded, never told."""

    rule_id: RuleName
    matchers: list[WireMatcher] = Field(default_factory=list, max_length=20)
    reason: Reason


class NoisyAnswer(WireModel):
    """One entry."""

    rule_id: str
    matchers: list[WireMatcher]
    reason: str
    created_by: str
    created_at: Instant


class NoisyPage(WireModel):
    """The allow-list."""

    items: list[NoisyAnswer]


class NoisyGone(WireModel):
    """Which entry goes."""

    rule_id: RuleName
    matchers: list[WireMatcher] = Field(default_factory=list, max_length=20)


@router.get("")
@allow("silences", "read")
def list_silences(services: Services, *, is_over_too: bool = False) -> SilencePage:
    """In force and to come; with `is_over_too` also the former ones."""
    rows = services.silences.list_silences(now=utc_now(), is_over_too=is_over_too)
    return SilencePage(items=[SilenceAnswer.model_validate(row) for row in rows])


@router.post("", status_code=201)
@allow("silences", "act")
def add_silence(services: Services, caller: Asking, given: NewSilence) -> SilenceMade:
    """Mute what matches until an instant. Alerts are still recorded; what fires when it ends is told then."""
    silence_id, found = services.silences.add(
        plain(given.matchers),
        starts_at=given.starts_at,
        ends_at=given.ends_at,
        reason=given.reason,
        actor=caller.username,
        now=utc_now(),
    )
    return SilenceMade(silence_id=silence_id, preview=_preview(found))


@router.post("/preview")
@allow("silences", "read")
def preview_silence(services: Services, asked: PreviewAsked) -> PreviewAnswer:
    """What a silence with these matchers would mute now, and would have within the last day."""
    return _preview(services.silences.preview(plain(asked.matchers), now=utc_now()))


@router.get("/allow-list")
@allow("silences", "read")
def list_allowed(services: Services) -> NoisyPage:
    """What may be noisy."""
    return NoisyPage(items=[NoisyAnswer.model_validate(row) for row in services.silences.list_allowed()])


@router.put("/allow-list", status_code=204)
@allow("silences", "act")
def allow_noise(services: Services, caller: Asking, entry: NoisyEntry) -> None:
    """Put a noisy metric on the list."""
    now: datetime = utc_now()
    services.silences.allow(entry.rule_id, plain(entry.matchers), reason=entry.reason, actor=caller.username, now=now)


@router.delete("/allow-list", status_code=204)
@allow("silences", "act")
def disallow_noise(services: Services, caller: Asking, entry: NoisyGone) -> None:
    """Take it off the list."""
    services.silences.disallow(entry.rule_id, plain(entry.matchers), actor=caller.username)


@router.delete("/{silence_id:int}", status_code=204)
@allow("silences", "act")
def end_silence(services: Services, caller: Asking, silence_id: Annotated[int, Path(ge=1, le=2**63 - 1)]) -> None:
    """End it now."""
    services.silences.end(silence_id, actor=caller.username, now=utc_now())


def _preview(found: Preview) -> PreviewAnswer:
    shown: list[dict[str, Any]] = [
        {name: getattr(row, name) for name in Meant.model_fields} for row in found.firing[:100]
    ]
    return PreviewAnswer(
        firing=len(found.firing),
        last_day=found.last_day,
        by_rule=found.by_rule,
        is_complete=found.is_complete,
        alerts=[Meant.model_validate(row) for row in shown],
    )
