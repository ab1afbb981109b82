"""Shifts out of calendar files as calendars write them; what is not understood is refused, never guessed (H6)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import SourceAnswerError
from domain.notification.external_rota import parse_rota
from domain.notification.ical import render_ical
from domain.notification.on_call import External, RotaSystem, Shift

pytestmark = pytest.mark.requirement("H6")
START = datetime(2026, 3, 27, tzinfo=UTC)
END = START + timedelta(days=14)
ROTA = External(
    system=RotaSystem.ICAL, connection="rota", people={"Ann Archer": "ann", "ben@etl.example": "ben", "Ann": "cleo"}
)


def calendar(*events: str) -> str:
    inside = "\r\n".join(f"BEGIN:VEVENT\r\n{one}\r\nEND:VEVENT" for one in events)
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{inside}\r\nEND:VCALENDAR\r\n"


def shifts(*events: str) -> list[tuple[str, str, str | None]]:
    found, _ = parse_rota(ROTA, calendar(*events), START, END)
    return [(f"{one.starts_at:%d %H:%M}", f"{one.ends_at:%d %H:%M}", one.person) for one in found]


def test_events_with_names_in_folded_summaries_and_attendees() -> None:
    folded = "DTSTART:20260327T090000Z\r\nDTEND:20260328T090000Z\r\nSUMMARY:On call\\, first line: Ann Ar\r\n cher"
    mailed = (
        "DTSTART;TZID=Europe/Berlin:20260328T100000\r\nDURATION:PT12H\r\nSUMMARY:Duty\r\n"
        'ATTENDEE;CN="Baker, Ben":mailto:ben@etl.example\r\nBEGIN:VALARM\r\nSUMMARY:Ann\r\nEND:VALARM'
    )
    assert shifts(folded, mailed) == [("27 09:00", "28 09:00", "ann"), ("28 09:00", "28 21:00", "ben")]


def test_a_weekly_turn_keeps_its_wall_clock_when_the_clocks_change() -> None:
    weekly = (
        "DTSTART;TZID=Europe/Berlin:20260316T090000\r\nDTEND;TZID=Europe/Berlin:20260317T090000\r\n"
        "RRULE:FREQ=WEEKLY;BYDAY=MO\r\nEXDATE;TZID=Europe/Berlin:20260406T090000\r\nSUMMARY:Ann Archer"
    )
    assert shifts(weekly) == [("30 07:00", "31 07:00", "ann")], "08:00 UTC in winter; 6 April is left out"
    daily = "DTSTART:20260327T000000Z\r\nDTEND:20260327T120000Z\r\nRRULE:FREQ=DAILY;INTERVAL=2;COUNT=3\r\nSUMMARY:Ann"
    assert [one[0] for one in shifts(daily)] == ["27 00:00", "29 00:00", "31 00:00"]


def test_cancelled_events_and_strangers_are_no_shifts_and_a_day_is_a_day() -> None:
    gone = "DTSTART:20260327T090000Z\r\nDTEND:20260328T090000Z\r\nSUMMARY:Ann Archer\r\nSTATUS:CANCELLED"
    day = "DTSTART;VALUE=DATE:20260329\r\nSUMMARY:Somebody else (Annabel)"
    found, strangers = parse_rota(ROTA, calendar(gone, day), START, END)
    assert (found, strangers) == ([], ["Somebody else (Annabel)"])


def test_what_we_write_we_can_read() -> None:
    ours = Shift(START, START + timedelta(hours=8), "Ann Archer", "layer 1")
    written = render_ical("primary", [ours], title="First line, with a very long title " * 3, now=START)
    found, _ = parse_rota(ROTA, written, START, END)
    assert [(one.starts_at, one.ends_at, one.person) for one in found] == [(ours.starts_at, ours.ends_at, "ann")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>",
        calendar("DTSTART:soon\r\nSUMMARY:Ann"),
        calendar("DTSTART:20260327T090000Z\r\nRRULE:FREQ=MONTHLY\r\nSUMMARY:Ann"),
        calendar("DTSTART:20260327T090000Z\r\nRRULE:FREQ=WEEKLY;BYDAY=MO,TU\r\nSUMMARY:Ann"),
        calendar("DTSTART;TZID=Mars/Base:20260327T090000\r\nSUMMARY:Ann"),
        calendar("DTSTART:20260327T090000Z\r\nRRULE:FREQ=DAILY;INTERVAL=0\r\nSUMMARY:Ann"),
    ],
)
def test_what_is_no_calendar_or_repeats_in_ways_we_do_not_know_is_refused(text: str) -> None:
    with pytest.raises(SourceAnswerError, match="cannot be read"):
        parse_rota(ROTA, text, START, END)
