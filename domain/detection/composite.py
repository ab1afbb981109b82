"""Rules over the states of other rules. What counts is the time of the facts, so that live and in hindsight they say the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson

from domain.detection.alert_event import AlertEvent, AlertStatus
from domain.detection.event_texts import Fact, compute_fingerprint, make_event
from domain.detection.keyed import Firing, write_identity
from domain.detection.rule import Composite, Rule

#: rule → fingerprint → when it fired
_Active = dict[str, dict[str, datetime]]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the component rules fired before this evaluation, and their events of it in the order of time, by rule."""

    before: Mapping[str, Sequence[Firing]]
    events: Mapping[str, Sequence[AlertEvent]]


@dataclass(slots=True)
class CompositeFound:
    """Events of the composite, and what fires or is pending afterwards."""

    events: list[AlertEvent] = field(default_factory=list)
    firing: list[Firing] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Change:
    at: datetime
    rule_id: str
    fingerprint: str
    is_firing: bool


def evaluate_composite(rule: Rule, parts: Parts, before: Sequence[Firing], *, horizon: datetime) -> CompositeFound:
    """One composite over all values of its join labels.

    Args:
        before: what of it fired or was pending.
        horizon: up to here all states of the parts are known; it fires no later than that where it has to wait.
    """
    assert isinstance(rule.when, Composite)
    active, changes = _read_parts(rule.when, parts)
    mine = {one.identity: one for one in before}
    found = CompositeFound()
    for identity in sorted({*active, *changes, *mine}):
        one = _Timeline(rule, rule.when, identity, active.get(identity, {}), mine.get(identity), found.events)
        for change in sorted(changes.get(identity, []), key=lambda each: (each.at, each.is_firing)):
            one.advance(change.at)
            one.apply(change)
        one.advance(horizon)
        if one.state is not None:
            found.firing.append(one.state)
    return found


def _read_parts(when: Composite, parts: Parts) -> tuple[dict[str, _Active], dict[str, list[_Change]]]:
    active: dict[str, _Active] = {}
    changes: dict[str, list[_Change]] = {}
    for rule_id in when.rules:
        for one in parts.before.get(rule_id, ()):
            if not one.is_pending and (identity := _join(when, orjson.loads(one.identity))) is not None:
                active.setdefault(identity, {}).setdefault(rule_id, {})[_name(one)] = one.fired_at
        for event in parts.events.get(rule_id, ()):
            if (identity := _join(when, event.labels)) is not None:
                is_firing = event.status is AlertStatus.FIRING
                change = _Change(event.at, rule_id, event.fingerprint, is_firing)
                changes.setdefault(identity, []).append(change)
    return active, changes


def _name(one: Firing) -> str:
    return compute_fingerprint(one.rule_id, one.identity)


def _join(when: Composite, labels: Mapping[str, str]) -> str | None:
    """The identity of the composite; none for a part that lacks a label."""
    if any(not labels.get(name) for name in when.join):
        return None
    return write_identity({name: labels[name] for name in when.join})


@dataclass(slots=True)
class _Timeline:
    """One identity of a composite as time goes on."""

    rule: Rule
    when: Composite
    identity: str
    active: _Active
    state: Firing | None
    events: list[AlertEvent]

    def __post_init__(self) -> None:
        if self.state is None and self._holds():  # the rule is younger than what its parts fired
            self._begin(self._latest())

    def apply(self, change: _Change) -> None:
        """A part fires or ceases to."""
        fired = self.active.setdefault(change.rule_id, {})
        if change.is_firing:
            fired[change.fingerprint] = change.at
        else:
            fired.pop(change.fingerprint, None)
        if self._holds() and self.state is None:
            self._begin(max(change.at, self._latest()) if self.when.op == "all" else change.at)
        elif not self._holds() and self.state is not None:
            self._end(change.at)

    def advance(self, until: datetime) -> None:
        """Fire what has been pending for long enough."""
        waits = timedelta(seconds=self.rule.for_s)
        if self.state is None or not self.state.is_pending:
            return
        needs_all = bool(self.rule.for_s) or self.when.op == "first_without_others"
        at = self.state.since + waits
        if at <= until or not needs_all:
            self.state = Firing(self.rule.id, self.identity, self.state.since, at)
            self.events.append(make_event(self.rule, self.state, is_firing=True, at=at, fact=Fact()))

    def _begin(self, since: datetime) -> None:
        self.state = Firing(self.rule.id, self.identity, since, since, is_pending=True)

    def _end(self, at: datetime) -> None:
        if self.state is not None and not self.state.is_pending:
            at = max(at, self.state.fired_at)
            self.events.append(make_event(self.rule, self.state, is_firing=False, at=at, fact=Fact()))
        self.state = None

    def _holds(self) -> bool:
        first, *others = [bool(self.active.get(rule_id)) for rule_id in self.when.rules]
        if self.when.op == "all":
            return first and all(others)
        if self.when.op == "any":
            return first or any(others)
        return first and not any(others)

    def _latest(self) -> datetime:
        return max(min(fired.values()) for fired in self.active.values() if fired)
