"""Which events are one alert: a sliding window per fingerprint, right for late, repeated and bridging events (D7).

An alert is the stretch from its first to its newest event. Two events that follow each other in time belong together when
they are at most WINDOW apart, or when the earlier one says that the condition holds (it holds until somebody says otherwise).
Events may come in any order: a late one extends the stretch it is near to, or joins two stretches into one; stretches are
never split again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    stretches = sorted(stored, key=lambda one: one.first)
    touched: set[int] = set()
    for event in sorted(events, key=_in_time):
        _insert(stretches, event, touched, window=window)
    return [one for one in stretches if id(one) in touched]


def _in_time(event: AlertEvent) -> tuple[datetime, bool]:
    return event.at, event.status is AlertStatus.RESOLVED


def _insert(
    stretches: list[Stretch], event: AlertEvent, touched: set[int], *, window: timedelta, is_second_try: bool = False
) -> None:
    place = next((i for i, one in enumerate(stretches) if event.at < one.first), len(stretches))
    before = stretches[place - 1] if place else None
    after = stretches[place] if place < len(stretches) else None
    parts: list[Stretch] = []
    if before is not None and (before.status is AlertStatus.FIRING or event.at - before.last <= window):
        parts.append(before)
    is_firing = event.status is AlertStatus.FIRING
    if not is_firing and not parts:
        if not is_second_try:  # its beginning was never told: it is what the event itself says
            begun = replace(event, status=AlertStatus.FIRING, at=min(event.fired_at, event.at))
            _insert(stretches, begun, touched, window=window)
            _insert(stretches, event, touched, window=window, is_second_try=True)
        return
    low = place - len(parts)
    is_open = is_firing and (before is None or event.at > before.last)
    if after is not None and (is_open or after.first - event.at <= window):
        parts.append(after)
    merged = _join(parts, event)
    stretches[low : low + len(parts)] = [merged]
    touched.add(id(merged))


def _join(parts: Sequence[Stretch], event: AlertEvent) -> Stretch:
    is_firing = event.status is AlertStatus.FIRING
    whole = list(parts) or [Stretch(event.at, event.at, AlertStatus.RESOLVED, event.onset_at, 0)]
    last = whole[-1]
    is_newest = not parts or event.at > last.last or (event.at == last.last and not is_firing)
    status = event.status if is_newest else last.status
    changed = tuple(at for part in whole for at in part.changed_at)
    if is_newest and status is not last.status:
        changed = (*changed, event.at)
    told = event if is_firing else None
    return Stretch(
        first=min(whole[0].first, event.at),
        last=max(last.last, event.at),
        status=status,
        onset_at=min([event.onset_at, *(part.onset_at for part in whole)] if is_firing else map(_onset, whole)),
        occurrences=sum(part.occurrences for part in whole) + is_firing,
        alert_ids=tuple(one for part in whole for one in part.alert_ids),
        changed_at=changed,
        beginning=_pick([part.beginning for part in whole], told, is_latest=False),
        newest=_pick([part.newest for part in whole], told, is_latest=True),
        end=_pick([part.end for part in whole], event if not is_firing else None, is_latest=True),
    )


def _onset(one: Stretch) -> datetime:
    return one.onset_at


def _pick(known: Sequence[AlertEvent | None], event: AlertEvent | None, *, is_latest: bool) -> AlertEvent | None:
    found = [one for one in (*known, event) if one is not None]
    if not found:
        return None
    return max(found, key=_in_time) if is_latest else min(found, key=_in_time)
