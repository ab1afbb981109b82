"""From changes of state to events, and to what fires afterwards."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from domain.detection.alert_event import AlertEvent, AlertStatus
from domain.detection.event_texts import Fact, make_event
from domain.detection.firing import Transitions
from domain.detection.keyed import Firing, Keyed
from domain.detection.rule import Rule
from domain.detection.window import SignalsWindow


def report_changes(
    rule: Rule,
    keyed: Keyed,
    changes: Transitions,
    before: list[Firing],
    *,
    window: SignalsWindow,
    texts: dict[str, str],
    is_outcome_only: bool,
) -> tuple[list[AlertEvent], dict[str, Firing]]:
    """Events of all changes, and identity → what fires now.

    Args:
        texts: identity → text of its log template.
        is_outcome_only: of several changes of an identity only the last counts, and only where it differs from before.
    """
    fired = {one.identity: one for one in before}
    firing = dict(fired)
    events: list[tuple[str, AlertEvent]] = []
    for row in range(changes.sample.size):
        sample = int(changes.sample[row])
        identity = keyed.identities[int(keyed.seen.key[sample])]
        at, is_firing = _instant(int(keyed.seen.at_us[sample])), bool(changes.is_firing[row])
        if is_firing:
            firing[identity] = Firing(rule.id, identity, _instant(int(changes.onset_us[row])), at)
        one = firing[identity] if is_firing else firing.pop(identity)
        position = int(keyed.position[sample])
        fact = Fact(
            float(keyed.seen.value[sample]),
            float(keyed.limit[sample]),
            window.series.row(position, named=True) if position >= 0 else None,
            {"template": texts.get(identity, "")},
        )
        events.append((identity, make_event(rule, one, is_firing=is_firing, at=at, fact=fact)))
    if is_outcome_only:
        return _outcomes(events, fired, firing), {**firing, **{k: v for k, v in fired.items() if k in firing}}
    return [event for _, event in events], firing


def _outcomes(
    events: list[tuple[str, AlertEvent]], fired: dict[str, Firing], firing: dict[str, Firing]
) -> list[AlertEvent]:
    last = dict(events)
    changed = {identity: event for identity, event in last.items() if (identity in fired) != (identity in firing)}
    return [
        event
        if event.status is AlertStatus.FIRING
        else replace(event, onset_at=fired[identity].since, fired_at=fired[identity].fired_at)
        for identity, event in changed.items()
    ]


def _instant(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us / 1e6, tz=UTC)
