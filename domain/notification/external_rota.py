"""Shifts out of what PagerDuty (REST v2, a rendered schedule), Opsgenie (v2, a timeline) or a calendar answer, for people we know (H6)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.errors import SourceAnswerError
from domain.notification.ical_reading import find_person, read_calendar
from domain.notification.on_call import External, RotaSystem, Shift


def rota_request(external: External, start: datetime, end: datetime) -> tuple[str, dict[str, str], dict[str, str]]:
    """Path, query and headers that ask for the shifts of [start, end). A calendar comes whole."""
    if external.system is RotaSystem.ICAL:
        return "", {}, {"Accept": "text/calendar"}
    if external.system is RotaSystem.PAGERDUTY:
        span = {"since": start.isoformat(), "until": end.isoformat(), "time_zone": "UTC"}
        return f"/schedules/{external.schedule_id}", span, {"Accept": "application/vnd.pagerduty+json;version=2"}
    days = max(1, -(-int((end - start).total_seconds()) // 86_400))
    span = {"identifierType": "id", "date": start.isoformat(), "interval": str(days), "intervalUnit": "days"}
    return f"/v2/schedules/{external.schedule_id}/timeline", span, {"Accept": "application/json"}


def parse_rota(external: External, answer: Any, start: datetime, end: datetime) -> tuple[list[Shift], list[str]]:
    """Shifts within [start, end) in order of time, and the ids of people there whom our rules do not name.

    Raises:
        SourceAnswerError: it is not what the system documents.
    """
    shifts, strangers = [], set()
    try:
        for begin, finish, who in _read(external, answer, start, end):
            begin, finish = max(begin, start), min(finish, end)  # noqa: PLW2901 - cut to what was asked for
            person = external.people.get(who) or (find_person(who, external.people) if external.is_calendar else None)
            if person is None:
                strangers.add(who)
            elif finish - begin >= timedelta(seconds=1):
                shifts.append(Shift(begin, finish, person, external.system.value))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise SourceAnswerError(
            f"the answer of {external.system.value} about the schedule {external.schedule_id or external.connection} cannot be read",
            suggestion="is the connection's address that of the API? `etlmon doctor` checks connections",
        ) from None
    return sorted(shifts, key=lambda one: (one.starts_at, one.ends_at)), sorted(strangers)


def _read(external: External, answer: Any, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime, str]]:
    if external.is_calendar:
        for begin, finish, who in read_calendar(answer, start, end):
            yield begin.astimezone(UTC), finish.astimezone(UTC), who
        return
    yield from (_pagerduty if external.system is RotaSystem.PAGERDUTY else _opsgenie)(answer)


def _pagerduty(answer: Any) -> Iterator[tuple[datetime, datetime, str]]:
    for entry in answer["schedule"]["final_schedule"]["rendered_schedule_entries"]:
        yield _instant(entry["start"]), _instant(entry["end"]), str(entry["user"]["id"])


def _opsgenie(answer: Any) -> Iterator[tuple[datetime, datetime, str]]:
    for rotation in answer["data"]["finalTimeline"]["rotations"]:
        for period in rotation.get("periods", []):
            who = period.get("recipient") or {}
            if who.get("type") == "user":
                yield _instant(period["startDate"]), _instant(period["endDate"]), str(who["id"])


def _instant(words: str) -> datetime:
    at = datetime.fromisoformat(words)
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
