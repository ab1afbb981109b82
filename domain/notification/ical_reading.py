"""Shifts out of an iCalendar file (RFC 5545): a rota that any calendar keeps (H6).

Events that repeat daily or weekly are repeated by the wall clock of their zone; a rule that says more than that is refused
rather than guessed at, because a wrong guess wakes the wrong person.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_STEP = {"DAILY": timedelta(days=1), "WEEKLY": timedelta(days=7)}
_DURATION = re.compile(r"^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$")
_LINE = re.compile(r'^([A-Z-]+)((?:;[A-Za-z-]+=(?:"[^"]*"|[^";:]*))*):(.*)$', re.DOTALL)
_UNESCAPED = {"\\n": " ", "\\N": " ", "\\,": ",", "\\;": ";", "\\\\": "\\"}
#: A daily shift of more than fifty years.
_MOST_TURNS = 20_000


@dataclass(slots=True)
class CalendarEvent:
    """One VEVENT. `begin` and `end` are aware, in the zone that their wall clock is of."""

    summary: str = ""
    people: list[str] = field(default_factory=list)
    begin: datetime | None = None
    end: datetime | None = None
    length: timedelta | None = None
    rule: dict[str, str] = field(default_factory=dict)
    except_at: set[datetime] = field(default_factory=set)
    is_cancelled: bool = False


def read_calendar(text: str, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime, str]]:
    """(begin, end, who) of every event that touches [start, end); `who` is its summary and its attendees as one text.

    Raises:
        ValueError, KeyError: no calendar, or a repetition that is not understood.
    """
    lines = re.sub(r"\r?\n[ \t]", "", text).splitlines()
    if not lines or lines[0].strip().upper() != "BEGIN:VCALENDAR":
        raise ValueError("no calendar")
    for one in _events(lines):
        if one.is_cancelled or one.begin is None:
            continue
        length = (one.end - one.begin) if one.end else one.length or timedelta(days=1)
        who = " ".join([one.summary, *one.people])
        for begin in _turns(one, end):
            if begin + length > start:
                yield begin, begin + length, who


def find_person(who: str, known: dict[str, str]) -> str | None:
    """The person whose name or address over there occurs in the text; the longest name wins."""
    text = who.casefold()
    fitting = [name for name in known if re.search(rf"(?<!\w){re.escape(name.casefold())}(?!\w)", text)]
    return known[max(fitting, key=len)] if fitting else None


def _events(lines: list[str]) -> Iterator[CalendarEvent]:
    present: CalendarEvent | None = None
    inside: list[str] = []
    for line in lines:
        found = _LINE.match(line)
        if found is None:
            continue
        name, parameters, value = found[1].upper(), _parameters(found[2]), found[3].strip()
        if name == "BEGIN":
            inside.append(value.upper())
            present = CalendarEvent() if inside[-1] == "VEVENT" else present
        elif name == "END" and inside:
            if inside.pop() == "VEVENT" and present is not None:
                yield present
                present = None
        elif present is not None and inside[-1] == "VEVENT":
            _take(present, name, parameters, value)


def _take(event: CalendarEvent, name: str, parameters: dict[str, str], value: str) -> None:
    if name == "SUMMARY":
        event.summary = re.sub(r"\\.", lambda one: _UNESCAPED.get(one[0], one[0]), value)
    elif name == "ATTENDEE":
        event.people += [value.removeprefix("mailto:").removeprefix("MAILTO:"), parameters.get("CN", "")]
    elif name == "DTSTART":
        event.begin = _instant(parameters, value)
    elif name == "DTEND":
        event.end = _instant(parameters, value)
    elif name == "DURATION":
        event.length = _length(value)
    elif name == "RRULE":
        event.rule = dict(part.split("=", 1) for part in value.upper().split(";"))
    elif name == "EXDATE":
        event.except_at |= {_instant(parameters, one) for one in value.split(",")}
    elif name == "STATUS":
        event.is_cancelled = value.upper() == "CANCELLED"
    elif name in {"RDATE", "RECURRENCE-ID"}:
        raise ValueError(f"{name} is not understood")


def _turns(event: CalendarEvent, end: datetime) -> Iterator[datetime]:
    assert event.begin is not None
    if not event.rule:
        yield event.begin
        return
    rule = dict(event.rule)
    step = _STEP[rule.pop("FREQ")] * int(rule.pop("INTERVAL", "1"))
    count, until = int(rule.pop("COUNT", _MOST_TURNS)), rule.pop("UNTIL", "")
    last = _instant({}, until, zone=event.begin.tzinfo or UTC) if until else None
    rule.pop("WKST", None)
    if rule.pop("BYDAY", _DAYS[event.begin.weekday()]) != _DAYS[event.begin.weekday()] or rule or step <= timedelta(0):
        raise ValueError("a repetition that is not understood")
    wall, zone = event.begin.replace(tzinfo=None), event.begin.tzinfo
    for number in range(min(count, _MOST_TURNS)):
        begin = (wall + number * step).replace(tzinfo=zone)
        if begin >= end or (last is not None and begin > last):
            return
        if begin not in event.except_at:
            yield begin


def _parameters(written: str) -> dict[str, str]:
    pairs = (one.split("=", 1) for one in re.findall(r';([A-Za-z-]+=(?:"[^"]*"|[^";:]*))', written))
    return {name.upper(): value.strip('"') for name, value in pairs}


def _instant(parameters: dict[str, str], value: str, *, zone: tzinfo = UTC) -> datetime:
    own = ZoneInfo(parameters["TZID"]) if "TZID" in parameters else zone
    if value.endswith("Z"):
        return datetime.strptime(value, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if "T" in value:
        return datetime.strptime(value, "%Y%m%dT%H%M%S").replace(tzinfo=own)
    day = date.fromisoformat(value)
    return datetime(day.year, day.month, day.day, tzinfo=own)


def _length(value: str) -> timedelta:
    found = _DURATION.match(value.upper())
    if found is None:
        raise ValueError("no length")
    weeks, days, hours, minutes, seconds = (int(one or 0) for one in found.groups())
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
