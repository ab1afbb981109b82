"""Which alerts are a drill's: those that its symptoms match and that began while it lasted. Everything else is real (E5).

A drill's alert has a fingerprint of its own, so that neither joins, prolongs, reopens or silences the other, and a label-free
note which drill it is of.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from domain.detection.alert_event import AlertEvent, AlertStatus, Category
from domain.detection.matchers import matching, parse_matcher

#: Between a fingerprint and the number of the drill.
SEPARATOR = "~drill-"
#: Counts of lines are stamped with the beginning of their bucket, which may be before the fault.
_BUCKET = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class DrillScope:
    """What marking has to know of the drill that lasts. `until` is None while it does, else when what begins is real again."""

    drill_id: int
    started_at: datetime
    until: datetime | None
    symptoms: Sequence[Sequence[str]]


def drill_fingerprint(fingerprint: str, drill_id: int) -> str:
    """The same alert, as it is called in a drill."""
    return f"{fingerprint}{SEPARATOR}{drill_id}"


def mark_events(
    events: Sequence[AlertEvent],
    words: Sequence[dict[str, str]],
    scope: DrillScope,
    *,
    firing: Collection[str],
) -> list[AlertEvent]:
    """The events, those of the drill marked.

    Args:
        words: [event] what matchers may ask for.
        firing: fingerprints of alerts that fire now, those of drills among them. What fires really goes on being real.
    """
    is_symptom = np.zeros(len(events), np.bool_)
    for symptom in scope.symptoms:
        is_symptom |= matching([parse_matcher(one) for one in symptom], words)
    answer: list[AlertEvent] = []
    own = {one for one in firing if one.endswith(f"{SEPARATOR}{scope.drill_id}")}
    for event, fits in sorted(zip(events, is_symptom, strict=True), key=lambda pair: pair[0].at):
        name = drill_fingerprint(event.fingerprint, scope.drill_id)
        if event.is_drill:
            answer.append(event)
        elif event.status is AlertStatus.FIRING:
            is_own = name in own or (fits and event.fingerprint not in firing and _began_within(scope, event))
            own |= {name} if is_own else set()
            answer.append(mark(event, scope.drill_id) if is_own else event)
        else:
            answer.append(mark(event, scope.drill_id) if name in own else event)
    return answer


def mark(event: AlertEvent, drill_id: int) -> AlertEvent:
    """This event as one of the drill."""
    notes = {**event.annotations, "drill": str(drill_id)}
    name = drill_fingerprint(event.fingerprint, drill_id)
    return replace(event, fingerprint=name, annotations=notes, is_drill=True)


def _began_within(scope: DrillScope, event: AlertEvent) -> bool:
    is_counted = event.category is Category.LOG
    is_after = event.at >= scope.started_at - (_BUCKET if is_counted else timedelta())
    is_after = is_after and event.onset_at >= scope.started_at - _BUCKET
    return is_after and (scope.until is None or event.onset_at <= scope.until)
