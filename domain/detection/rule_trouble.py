"""The platform's own alert about a rule that cannot be judged. Files that cannot be read: `platform_events`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from domain.detection.alert_event import AlertEvent, AlertSource, AlertStatus, Category
from domain.detection.event_texts import compute_fingerprint
from domain.detection.keyed import Firing, write_identity
from domain.vocabulary import Severity

#: No rule file can have this id: ids begin with a letter.
RULE_TROUBLE = "-rule-trouble"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Events that begin or end, and what is the matter afterwards."""

    events: list[AlertEvent]
    firing: list[Firing]


def judge_trouble(reasons: Mapping[str, str], before: Sequence[Firing], *, now: datetime) -> Trouble:
    """One alert per rule that cannot be judged, as long as that lasts.

    Args:
        reasons: rule → what is wrong with it.
        before: what was the matter before (`rule_id` is RULE_TROUBLE).
    """
    known = {one.identity: one for one in before}
    wrong = {write_identity({"rule": name}): reason for name, reason in reasons.items()}
    events, firing = [], []
    for identity, reason in wrong.items():
        one = known.get(identity) or Firing(RULE_TROUBLE, identity, now, now)
        firing.append(one)
        if identity not in known:
            events.append(_event(one, reason, is_firing=True, now=now))
    events += [_event(one, "", is_firing=False, now=now) for key, one in known.items() if key not in wrong]
    return Trouble(events, firing)


def _event(one: Firing, reason: str, *, is_firing: bool, now: datetime) -> AlertEvent:
    labels: dict[str, str] = orjson.loads(one.identity)
    name = labels["rule"]
    return AlertEvent(
        fingerprint=compute_fingerprint(RULE_TROUBLE, one.identity),
        status=AlertStatus.FIRING if is_firing else AlertStatus.RESOLVED,
        at=now,
        onset_at=one.since,
        fired_at=one.fired_at,
        source=AlertSource.PLATFORM,
        rule_id=RULE_TROUBLE,
        title=f"The detection rule {name} cannot be judged",
        summary=reason or "It can be judged again.",
        severity=Severity.MEDIUM,
        category=Category.PLATFORM,
        labels=labels,
        annotations={
            "next": "`etlmon rules test` shows what it says of its cases; what it fired goes on firing meanwhile"
        },
    )
