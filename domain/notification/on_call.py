"""Who is on call: rotations in a time zone, layers, overrides. All handovers are wall-clock times, so that DST moves no shift (H6).

A wall-clock time that DST skips is taken as if the clock had not been changed yet; one that comes twice is the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from domain.loaders.definition import Frozen
from domain.notification.people import Name

_DAY = timedelta(days=1)
#: Overrides of this author are shifts read from another system.
IMPORTED_BY = "import:"


class Weekday(StrEnum):
    """Days of the week, from Monday on."""

    MON = "MON"
    TUE = "TUE"
    WED = "WED"
    THU = "THU"
    FRI = "FRI"
    SAT = "SAT"
    SUN = "SUN"

    @property
    def number(self) -> int:
        """As `date.weekday`: Monday is 0."""
        return list(Weekday).index(self)


class Rotation(StrEnum):
    """How long a turn lasts."""

    DAILY = "daily"
    WEEKLY = "weekly"


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("no such time zone; write it as in Europe/Berlin") from None
    return name


TimeZoneName = Annotated[str, AfterValidator(_known_zone)]
Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class Hours(Frozen):
    """A layer's hours: on these days from `begin` to `end`, over midnight when `end` is not later."""

    days: list[Weekday] = Field(default=list(Weekday), min_length=1)
    begin: Clock
    end: Clock


class Layer(Frozen):
    """People who take turns of `every` days or weeks, from `starts_on`; empty `hours`: around the clock."""

    people: list[Name] = Field(min_length=1)
    rotation: Rotation = Rotation.WEEKLY
    every: int = Field(default=1, ge=1, le=52)
    handover: Clock = "09:00"
    handover_day: Weekday = Weekday.MON
    starts_on: date
    hours: list[Hours] = Field(default_factory=list)


class RotaSystem(StrEnum):
    """Who else may keep a rota."""

    PAGERDUTY = "pagerduty"
    OPSGENIE = "opsgenie"
    ICAL = "ical"


class External(Frozen):
    """A rota that is kept elsewhere: read by the named connection, its people (their ids there) are ours.

    Of a calendar (ical) the connection's address is that of the file, and people are names or mail addresses in its events.
    """

    system: RotaSystem
    connection: str = Field(min_length=1, max_length=80)
    schedule_id: str = Field(default="", pattern=r"^[A-Za-z0-9_-]{0,64}$")
    people: dict[str, Name] = Field(min_length=1)

    @property
    def is_calendar(self) -> bool:
        """A file of events instead of an API."""
        return self.system is RotaSystem.ICAL

    @model_validator(mode="after")
    def _names_a_schedule(self) -> External:
        if not self.schedule_id and self.system is not RotaSystem.ICAL:
            raise ValueError(f"{self.system.value} needs schedule_id")
        return self


class Schedule(Frozen):
    """The first layer that has somebody decides; before all layers come overrides, and between them what another system says."""

    title: str = Field(min_length=1, max_length=120)
    time_zone: TimeZoneName = "UTC"
    layers: list[Layer] = Field(min_length=1)
    external: External | None = None

    @property
    def zone(self) -> ZoneInfo:
        """The time zone itself."""
        return ZoneInfo(self.time_zone)


@dataclass(frozen=True, slots=True)
class Override:
    """Somebody takes over for a while; the override made last wins."""

    override_id: int
    schedule: str
    person: str
    starts_at: datetime
    ends_at: datetime
    reason: str = ""
    created_by: str = ""

    @property
    def precedence(self) -> tuple[bool, int]:
        """What a person arranged comes before what was imported; then the newest."""
        return not self.created_by.startswith(IMPORTED_BY), self.override_id


@dataclass(frozen=True, slots=True)
class Shift:
    """A stretch of time with one person, or with nobody: a gap. `source` is "override 3", "layer 1" or empty."""

    starts_at: datetime
    ends_at: datetime
    person: str | None
    source: str = ""


def on_call_at(schedule: Schedule, at: datetime, *, overrides: Sequence[Override] = ()) -> Shift:
    """Who is on call at an instant, as a shift of no length. Overrides are those of this schedule."""
    standing = [one for one in overrides if one.starts_at <= at < one.ends_at]
    if standing:
        last = max(standing, key=lambda one: one.precedence)
        return Shift(at, at, last.person, f"override {last.override_id}")
    for number, layer in enumerate(schedule.layers, 1):
        person = _turn(layer, schedule.zone, at)
        if person is not None:
            return Shift(at, at, person, f"layer {number}")
    return Shift(at, at, None)


def list_shifts(
    schedule: Schedule, start: datetime, end: datetime, *, overrides: Sequence[Override] = ()
) -> list[Shift]:
    """[start, end) without holes: each shift begins where the former ends; gaps are shifts of nobody. Empty for an empty range."""
    edges = {start, end}
    for layer in schedule.layers:
        edges |= {edge for edge in _edges(layer, schedule.zone, start, end) if start < edge < end}
    for one in overrides:
        edges |= {edge for edge in (one.starts_at, one.ends_at) if start < edge < end}
    instants = sorted(edge.astimezone(UTC) for edge in edges)
    shifts: list[Shift] = []
    for begin, finish in pairwise(instants):
        now = on_call_at(schedule, begin, overrides=overrides)
        if shifts and (shifts[-1].person, shifts[-1].source) == (now.person, now.source):
            begin = shifts.pop().starts_at  # noqa: PLW2901 - the same person goes on
        shifts.append(Shift(begin, finish, now.person, now.source))
    return shifts


def list_gaps(schedule: Schedule, start: datetime, end: datetime, *, overrides: Sequence[Override] = ()) -> list[Shift]:
    """The stretches in which nobody is on call."""
    return [shift for shift in list_shifts(schedule, start, end, overrides=overrides) if shift.person is None]


def instant_of(day: date, clock: str, zone: ZoneInfo) -> datetime:
    """A wall-clock time as an instant in UTC."""
    return datetime.combine(day, time.fromisoformat(clock), tzinfo=zone).astimezone(UTC)


def _turn(layer: Layer, zone: ZoneInfo, at: datetime) -> str | None:
    if not _is_within_hours(layer, zone, at):
        return None
    day = at.astimezone(zone).date()
    if at < instant_of(day, layer.handover, zone):
        day -= _DAY
    elapsed = (day - _first_day(layer)).days
    if elapsed < 0 or day < layer.starts_on:
        return None
    length = layer.every * (7 if layer.rotation is Rotation.WEEKLY else 1)
    return layer.people[elapsed // length % len(layer.people)]


def _first_day(layer: Layer) -> date:
    """Where counting begins: a weekly rotation counts from the handover day on or before its start."""
    if layer.rotation is Rotation.DAILY:
        return layer.starts_on
    return layer.starts_on - timedelta(days=(layer.starts_on.weekday() - layer.handover_day.number) % 7)


def _is_within_hours(layer: Layer, zone: ZoneInfo, at: datetime) -> bool:
    if not layer.hours:
        return True
    today = at.astimezone(zone).date()
    spans = (span for day in (today - _DAY, today) for span in _hours_of(layer, zone, day))
    return any(begin <= at < end for begin, end in spans)


def _hours_of(layer: Layer, zone: ZoneInfo, day: date) -> Iterator[tuple[datetime, datetime]]:
    for hours in layer.hours:
        if day.weekday() in {one.number for one in hours.days}:
            last = day if hours.end > hours.begin else day + _DAY
            yield instant_of(day, hours.begin, zone), instant_of(last, hours.end, zone)


def _edges(layer: Layer, zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[datetime]:
    """Every instant at which the layer can change hands within the range."""
    day, last = start.astimezone(zone).date() - _DAY, end.astimezone(zone).date() + _DAY
    while day <= last:
        yield instant_of(day, layer.handover, zone)
        for span in _hours_of(layer, zone, day):
            yield from span
        day += _DAY
