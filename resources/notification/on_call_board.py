"""Who is on call now and in the coming days, per schedule, for those who show it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from domain.notification.on_call import Override, Shift, list_shifts
from domain.notification.rules import NotificationRules
from resources.notification.on_call import read_overrides

_FAR = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class ScheduleBoard:
    """One schedule. The first of `shifts` is the present one; shifts of nobody are gaps."""

    name: str
    title: str
    time_zone: str
    shifts: list[Shift]

    @property
    def present(self) -> Shift:
        """Who is on call now, and until when."""
        return self.shifts[0]

    @property
    def gaps(self) -> list[Shift]:
        """When nobody is."""
        return [one for one in self.shifts if one.person is None]


@dataclass(frozen=True, slots=True)
class OnCallBoard:
    """All schedules by name, and the overrides that have not ended, by their beginning."""

    schedules: list[ScheduleBoard]
    overrides: list[Override]


def read_board(connection: Connection, rules: NotificationRules, *, now: datetime, days: int) -> OnCallBoard:
    """From now on for so many days."""
    overrides = read_overrides(connection, start=now, end=now + _FAR)
    schedules = []
    for name, schedule in sorted(rules.schedules.items()):
        own = [one for one in overrides if one.schedule == name]
        shifts = list_shifts(schedule, now, now + timedelta(days=days), overrides=own)
        schedules.append(ScheduleBoard(name, schedule.title, schedule.time_zone, shifts))
    return OnCallBoard(schedules, overrides)
