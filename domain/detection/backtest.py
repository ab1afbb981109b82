"""What a rule would have said about the past: intervals, their number by week, and how many known incidents explain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.detection.alert_event import AlertEvent, AlertStatus

#: An alert belongs to an incident that began or ended so near to it.
NEAR = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class KnownIncident:
    """A stretch of trouble that people or the platform know of. No end: it lasts."""

    name: str
    service: str
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Interval:
    """One alert from its firing to its end; no end: it fires at the end of the range."""

    labels: Mapping[str, str]
    title: str
    onset_at: datetime
    fired_at: datetime
    ended_at: datetime | None
    value: float | None
    explained_by: str


@dataclass(frozen=True, slots=True)
class Backtest:
    """The answer; `by_week` has the Monday of each week with a firing."""

    intervals: list[Interval]
    by_week: dict[str, int]
    explained: int


def summarise_backtest(events: Sequence[AlertEvent], incidents: Sequence[KnownIncident]) -> Backtest:
    """Events of one rule in the order of time, made intervals."""
    open_: dict[str, AlertEvent] = {}
    found: list[Interval] = []
    for event in events:
        if event.status is AlertStatus.FIRING:
            open_[event.fingerprint] = event
        elif (began := open_.pop(event.fingerprint, None)) is not None:
            found.append(_interval(began, event.at, incidents))
    found += [_interval(began, None, incidents) for began in open_.values()]
    found.sort(key=lambda one: one.fired_at)
    weeks = Counter((one.fired_at - timedelta(days=one.fired_at.weekday())).date().isoformat() for one in found)
    return Backtest(found, dict(sorted(weeks.items())), sum(bool(one.explained_by) for one in found))


def _interval(began: AlertEvent, ended_at: datetime | None, incidents: Sequence[KnownIncident]) -> Interval:
    cause = next((one.name for one in incidents if _explains(one, began, ended_at)), "")
    return Interval(began.labels, began.title, began.onset_at, began.fired_at, ended_at, began.value, cause)


def _explains(incident: KnownIncident, began: AlertEvent, ended_at: datetime | None) -> bool:
    """They overlap, give or take a quarter of an hour, and neither names another service."""
    service = began.labels.get("service", "")
    if incident.service and service and incident.service != service:
        return False
    is_before = ended_at is not None and ended_at + NEAR < incident.started_at
    is_after = incident.ended_at is not None and began.onset_at - NEAR > incident.ended_at
    return not is_before and not is_after
