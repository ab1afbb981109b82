"""What keeps an alert from telling anybody, although it fires: a silence, a maintenance window, the allow-list (D7, D8).

Windows recur by a cron line in the wall time of their zone. Where the clocks jump forward over a beginning it happens as much
later as they jump; where an hour comes twice a window begins with the first of the two, and one that begins every hour with both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterBadDateError, croniter

from domain.detection.matchers import Matcher, matching
from domain.errors import InputDataError

LONGEST_SILENCE = timedelta(days=365)
LONGEST_WINDOW = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Silence:
    """Somebody does not want to hear of what matches, until an instant."""

    silence_id: int
    matchers: tuple[Matcher, ...]
    starts_at: datetime
    ends_at: datetime
    reason: str
    created_by: str

    def ends_after(self, at: datetime) -> datetime | None:
        """When it ends, if it holds at that instant."""
        return self.ends_at if self.starts_at <= at < self.ends_at else None


@dataclass(frozen=True, slots=True)
class MaintenanceWindow:
    """Planned work: once from–to, or again and again by a cron line for `duration_s` seconds."""

    window_id: int
    title: str
    matchers: tuple[Matcher, ...]
    reason: str
    created_by: str
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    cron: str | None = None
    duration_s: int | None = None
    time_zone: str = "UTC"

    def ends_after(self, at: datetime) -> datetime | None:
        """When the window that is open at that instant ends; None while none is open."""
        if self.cron is None:
            assert self.starts_at is not None
            assert self.ends_at is not None
            return self.ends_at if self.starts_at <= at < self.ends_at else None
        length = timedelta(seconds=self.duration_s or 0)
        for begin in starts_before(self.cron, self.time_zone, at):
            if begin <= at < begin + length:
                return begin + length
        return None


@dataclass(frozen=True, slots=True)
class NoisyMetric:
    """An entry of the allow-list: what may be noisy. `rule_id` "*" means every rule."""

    rule_id: str
    matchers: tuple[Matcher, ...]
    reason: str
    created_by: str


@dataclass(frozen=True, slots=True)
class Suppressed:
    """What holds an alert back: its mark as stored in `alerts.suppressed_by`, who and why in words, and until when."""

    mark: str
    kind: str
    reason: str
    until: datetime | None = None


def starts_before(cron: str, time_zone: str, at: datetime) -> Iterator[datetime]:
    """The newest few beginnings up to `at`, in UTC, newest first."""
    zone = ZoneInfo(time_zone)
    wall = at.astimezone(zone).replace(tzinfo=None, fold=0)
    folds = (0, 1) if cron.split()[1].startswith("*") else (0,)
    times = croniter(cron, wall + timedelta(hours=3))  # no jump of the clocks is longer
    found: set[datetime] = set()
    for _ in range(400):  # each minute of those hours, and a few before
        try:
            local = times.get_prev(datetime)
        except CroniterBadDateError:  # 30 February
            break
        instants = {local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in folds}
        found |= {one for one in instants if one <= at}
        if len(found) >= 4:
            break
    yield from sorted(found, reverse=True)


def starts_after(cron: str, time_zone: str, at: datetime, *, most: int = 10) -> list[datetime]:
    """The next beginnings after `at`, in UTC, soonest first; fewer where the line names a day that never comes."""
    zone = ZoneInfo(time_zone)
    wall = at.astimezone(zone).replace(tzinfo=None, fold=0)
    folds = (0, 1) if cron.split()[1].startswith("*") else (0,)
    times = croniter(cron, wall - timedelta(hours=3))  # no jump of the clocks is longer
    found: set[datetime] = set()
    for _ in range(most + 400):  # each minute of those hours, and as many as asked for
        try:
            local = times.get_next(datetime)
        except CroniterBadDateError:  # 30 February
            break
        instants = {local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in folds}
        found |= {one for one in instants if one > at}
        if len(found) > most:
            break
    return sorted(found)[:most]


def check_recurrence(cron: str, duration_s: int, time_zone: str) -> None:
    """Whether a recurring window can be.

    Raises:
        InputDataError: no cron line of five fields, no such zone, or a senseless length.
    """
    if len(cron.split()) != 5 or not croniter.is_valid(cron):
        raise InputDataError(f"{cron[:80]!r} is no cron line", suggestion='five fields, for example "0 2 * * 6"')
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputDataError(
            f"there is no time zone {time_zone[:60]!r}", suggestion="for example Europe/Berlin"
        ) from None
    if not 60 <= duration_s <= LONGEST_WINDOW.total_seconds():
        raise InputDataError(
            f"a window of {duration_s} s is too short or too long", suggestion="between a minute and seven days"
        )


def decide_suppressions(
    labels: Sequence[Mapping[str, str]],
    *,
    windows: Sequence[MaintenanceWindow],
    silences: Sequence[Silence],
    noisy: Sequence[NoisyMetric],
    at: datetime,
) -> list[Suppressed | None]:
    """[alert] what holds it back at that instant; of several a window before a silence before the allow-list.

    Args:
        labels: of each alert, with `rule`, `severity` and the other words that matchers may ask for.
    """
    verdicts: list[Suppressed | None] = [None] * len(labels)
    for one, matchers in _in_force(windows, silences, noisy, at):
        for index in matching(matchers, labels).nonzero()[0]:
            verdicts[index] = verdicts[index] or one
    return verdicts


def _in_force(
    windows: Sequence[MaintenanceWindow], silences: Sequence[Silence], noisy: Sequence[NoisyMetric], at: datetime
) -> Iterator[tuple[Suppressed, Sequence[Matcher]]]:
    for window in windows:
        if (until := window.ends_after(at)) is not None:
            words = f"maintenance “{window.title}” by {window.created_by}: {window.reason}"
            yield Suppressed(f"maintenance:{window.window_id}", "maintenance", words, until), window.matchers
    for silence in silences:
        if (until := silence.ends_after(at)) is not None:
            words = f"silence {silence.silence_id} by {silence.created_by}: {silence.reason}"
            yield Suppressed(f"silence:{silence.silence_id}", "silenced", words, until), silence.matchers
    for entry in noisy:
        rule = [] if entry.rule_id == "*" else [Matcher(label="rule", op="=", value=entry.rule_id)]
        words = f"on the allow-list by {entry.created_by}: {entry.reason}"
        yield Suppressed("allow-list", "allow-listed", words), [*rule, *entry.matchers]
