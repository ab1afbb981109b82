"""Which events are one alert: a sliding window per fingerprint, right for late, repeated and bridging events (D7).

An alert is the stretch from its first to its newest event. Two events that follow each other in time belong together when
they are at most WINDOW apart, or when the earlier one says that the condition holds (it holds until somebody says otherwise).
Events may come in any order: a late one extends the stretch it is near to, or joins two stretches into one; stretches are
never split again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from domain.detection.alert_event import AlertEvent, AlertStatus

#: Events of one fingerprint that are at most this far apart are one alert.
WINDOW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Stretch:
    """One alert as a stretch of time. `alert_ids` are the stored alerts it consists of, oldest first; none for a new one.

    `status` is what the newest event says, `changed_at` the instants in this batch at which the status changed.
    `beginning` and `newest` are the earliest and the latest FIRING event of this batch, `end` its latest RESOLVED one.
    """

    first: datetime
    last: datetime
    status: AlertStatus
    onset_at: datetime
    occurrences: int
    alert_ids: tuple[int, ...] = ()
    changed_at: tuple[datetime, ...] = ()
    begins_as: AlertStatus = AlertStatus.FIRING
    is_touched: bool = False
    beginning: AlertEvent | None = field(default=None, compare=False)
    newest: AlertEvent | None = field(default=None, compare=False)
    end: AlertEvent | None = field(default=None, compare=False)

    @property
    def is_new(self) -> bool:
        """Nothing of it is stored yet."""
        return not self.alert_ids


def fold_events(
    stored: Iterable[Stretch], events: Iterable[AlertEvent], *, window: timedelta = WINDOW
) -> list[Stretch]:
    """Stretches of one fingerprint after these events: those that changed or are new, in the order of time.

    Args:
        stored: what is known of the fingerprint near the events; at most one of them fires, and that is the last.
        events: of that fingerprint, in any order.

    Returns:
        Only stretches that an event touched. An end without a beginning is a stretch that began when the event says so.
    """
    ordered = sorted(events, key=lambda event: (event.at, event.status is AlertStatus.RESOLVED))
    fresh = _sweep(map(_of_event, ordered), window)
    found = [_with_beginning(one) for one in _sweep([*stored, *fresh], window)]
    return [one for one in _sweep(found, window) if one.is_touched]


def _of_event(event: AlertEvent) -> Stretch:
    is_firing = event.status is AlertStatus.FIRING
    told = event if is_firing else None
    return Stretch(
        first=event.at,
        last=event.at,
        status=event.status,
        onset_at=event.onset_at,
        occurrences=int(is_firing),
        changed_at=(event.at,),
        begins_as=event.status,
        is_touched=True,
        beginning=told,
        newest=told,
        end=None if is_firing else event,
    )


def _with_beginning(one: Stretch) -> Stretch:
    """An end whose beginning was never told: it is what the event itself says."""
    if one.occurrences or one.end is None:
        return one
    begun = replace(one.end, status=AlertStatus.FIRING, at=min(one.end.fired_at, one.first))
    return replace(one, first=begun.at, occurrences=1, begins_as=AlertStatus.FIRING, beginning=begun, newest=begun)


def _sweep(stretches: Iterable[Stretch], window: timedelta) -> list[Stretch]:
    found: list[Stretch] = []
    for one in sorted(stretches, key=lambda stretch: (stretch.first, stretch.last)):
        before = found[-1] if found else None
        is_same = before is not None and (before.status is AlertStatus.FIRING or one.first - before.last <= window)
        if before is not None and is_same:
            found[-1] = _join(before, one)
        else:
            found.append(one)
    return found


def _join(before: Stretch, after: Stretch) -> Stretch:
    is_later = (after.last, after.status is AlertStatus.RESOLVED) >= (
        before.last,
        before.status is AlertStatus.RESOLVED,
    )
    return Stretch(
        first=before.first,
        last=max(before.last, after.last),
        status=after.status if is_later else before.status,
        onset_at=before.onset_at if after.beginning is None and after.is_new else min(before.onset_at, after.onset_at),
        occurrences=before.occurrences + after.occurrences,
        alert_ids=before.alert_ids + after.alert_ids,
        changed_at=_changes(before, after, is_later=is_later),
        begins_as=before.begins_as,
        is_touched=before.is_touched or after.is_touched,
        beginning=before.beginning or after.beginning,
        newest=_latest(before.newest, after.newest),
        end=_latest(before.end, after.end),
    )


def _changes(before: Stretch, after: Stretch, *, is_later: bool) -> tuple[datetime, ...]:
    """What is late changes nothing; what goes on as before begins with no change."""
    if not is_later:
        return before.changed_at
    known = before.changed_at if after.is_new else ()
    return known + (after.changed_at[1:] if after.begins_as is before.status else after.changed_at)


def _latest(one: AlertEvent | None, other: AlertEvent | None) -> AlertEvent | None:
    if one is None or other is None:
        return one or other
    return other if other.at >= one.at else one
