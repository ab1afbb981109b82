"""On-call shifts as an iCalendar file (RFC 5545), for the calendars of the people on call."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from domain.notification.on_call import Shift


def render_ical(schedule: str, shifts: Sequence[Shift], *, title: str, now: datetime) -> str:
    """One event per shift, gaps included as "nobody on call"; times in UTC, lines folded at 75 octets, CRLF at their ends."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//etlmon//on call//EN",
        "CALSCALE:GREGORIAN",
        f"X-WR-CALNAME:{_escape(title)}",
    ]
    for shift in shifts:
        who = shift.person or "nobody on call"
        lines += [
            "BEGIN:VEVENT",
            f"UID:{schedule}-{_stamp(shift.starts_at)}-{who.replace(' ', '-')}@etlmon",
            f"DTSTAMP:{_stamp(now)}",
            f"DTSTART:{_stamp(shift.starts_at)}",
            f"DTEND:{_stamp(shift.ends_at)}",
            f"SUMMARY:{_escape(f'{title}: {who}')}",
            f"DESCRIPTION:{_escape(shift.source)}",
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    return "".join(f"{_fold(line)}\r\n" for line in lines)


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _escape(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return escaped.replace("\r\n", "\n").replace("\n", "\\n")


def _fold(line: str) -> str:
    """At most 75 octets a line, never inside a character."""
    pieces, current, size = [], "", 0
    for character in line:
        width = len(character.encode())
        if size + width > 75:
            pieces.append(current)
            current, size = " ", 1
        current, size = current + character, size + width
    return "\r\n".join([*pieces, current])
