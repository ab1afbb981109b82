"""A cron line in words: what a person would say for the usual ones, the line itself for the rest. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from croniter import croniter

_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_NAMES = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
_ENDINGS = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}


def describe_schedule(cron: str) -> str:
    """`*/5 * * * *` → "every 5 minutes"; "cron …" where no short phrase says it exactly."""
    parts = cron.split()
    if len(parts) != 5:
        return f"cron {cron}"
    minute, hour, day, month, weekday = parts
    if month != "*":
        return f"cron {cron}"
    dates = _dates(day, weekday)
    if dates is None:
        return f"cron {cron}"
    often = _often(minute, hour)
    if often is not None:
        return often if not dates else f"{often}, {dates}"
    if not (minute.isdigit() and hour.isdigit()):
        return f"cron {cron}"
    return f"{dates or 'daily'} at {int(hour):02}:{int(minute):02} UTC"


def _often(minute: str, hour: str) -> str | None:
    """Several times a day; None when it is not."""
    if hour == "*":
        if minute == "*":
            return "every minute"
        if _step(minute, 60):
            return f"every {_step(minute, 60)} minutes"
        if minute.isdigit():
            return "hourly" if int(minute) == 0 else f"hourly at :{int(minute):02}"
    if _step(hour, 24) and minute.isdigit():
        every = f"every {_step(hour, 24)} hours"
        return every if int(minute) == 0 else f"{every} at :{int(minute):02}"
    return None


def _step(field: str, whole: int) -> int | None:
    """N of `*/N` where it divides the whole: otherwise the gaps are not all the same."""
    step = field.removeprefix("*/")
    is_even = field.startswith("*/") and step.isdigit() and int(step) > 1 and whole % int(step) == 0
    return int(step) if is_even else None


def _dates(day: str, weekday: str) -> str | None:
    """"" for every day, a phrase for the simple ones, None for the rest."""
    if day == "*" and weekday == "*":
        return ""
    if day == "*":
        if weekday.lower() in {"1-5", "mon-fri"}:
            return "Monday to Friday"
        index = _NAMES.get(weekday.lower(), int(weekday) if weekday.isdigit() else None)
        return None if index is None or index > 7 else f"{_DAYS[index]}s"
    if weekday == "*" and day.isdigit():
        return f"on the {int(day)}{_ENDINGS.get(int(day), 'th')} of the month"
    return None


def compute_next_tick(cron: str, now: datetime) -> datetime:
    """The next instant at which a window of this schedule ends, UTC."""
    tick: datetime = croniter(cron, now.astimezone(UTC)).get_next(datetime)
    return tick
