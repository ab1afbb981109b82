"""All rules over all series of a window: which alerts begin and which are over.

One pass per rule over arrays; nothing here loops over series or samples. State between evaluations is only which identities
fire (`Firing`); everything else is read again from the samples of the window.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from domain.detection.alert_event import AlertEvent
from domain.detection.composite import Parts, evaluate_composite
from domain.detection.conditions import judge
from domain.detection.event_texts import make_gone_event
from domain.detection.firing import compute_transitions
from domain.detection.keyed import Firing, key_samples
from domain.detection.log_findings import key_findings
from domain.detection.reporting import report_changes
from domain.detection.rule import Absence, Anomalous, CapacityNear, Composite, LogPattern, OutOfControl, Rule
from domain.detection.vanished import end_vanished
from domain.detection.window import SignalsWindow

#: Their evidence comes after the samples it is about, so that the whole window is judged anew and only the outcome counts.
_HINDSIGHT = (Anomalous, OutOfControl, LogPattern, CapacityNear)
#: They say by themselves how long something has to last; their recovery is immediate.
_TIMELESS = (Absence, LogPattern, CapacityNear)


@dataclass(frozen=True, slots=True)
class FailedRule:
    """A rule that could not be judged; what it fired goes on firing."""

    rule_id: str
    reason: str


@dataclass(slots=True)
class Evaluated:
    """What one evaluation found: events in the order of their time, and what fires afterwards."""

    events: list[AlertEvent] = field(default_factory=list)
    firing: list[Firing] = field(default_factory=list)
    failed: list[FailedRule] = field(default_factory=list)


def evaluate_rules(
    rules: Sequence[Rule], window: SignalsWindow, firing: Iterable[Firing], *, now: datetime
) -> Evaluated:
    """Judge the samples that were not judged before.

    Args:
        firing: what fired after the last evaluation.
        now: for rules about the present (vanished objects, log patterns): not read from the clock.

    Returns:
        Events of every identity that began or ceased to fire; several of one identity where the window is long. What rules
        fired that are gone or switched off is over.
    """
    before: dict[str, list[Firing]] = {}
    for one in firing:
        before.setdefault(one.rule_id, []).append(one)
    enabled = {rule.id: rule for rule in rules if rule.is_judged}
    answer = Evaluated()
    for rule in enabled.values():
        if not isinstance(rule.when, Composite):
            _isolate(rule, window, before, answer, now=now)
    parts = Parts(before, _by_rule(answer.events))
    for rule in enabled.values():
        if isinstance(rule.when, Composite):
            horizon = _horizon(rule.when, enabled, window, now=now)
            mine = evaluate_composite(rule, parts, before.get(rule.id, []), horizon=horizon)
            answer.events.extend(mine.events)
            answer.firing.extend(mine.firing)
    silent = {rule.id for rule in enabled.values() if not rule.is_told}
    known = {rule.id: rule for rule in rules}
    answer.events.extend(
        make_gone_event(known.get(one.rule_id), one, at=now)
        for rule_id, gone in before.items()
        if rule_id not in enabled
        for one in gone
        if not one.is_pending
    )
    answer.events = [event for event in answer.events if event.rule_id not in silent]
    answer.events.sort(key=lambda event: (event.at, event.fingerprint))
    return answer


def _by_rule(events: list[AlertEvent]) -> dict[str, list[AlertEvent]]:
    found: dict[str, list[AlertEvent]] = {}
    for event in events:
        found.setdefault(event.rule_id, []).append(event)
    return found


def _isolate(
    rule: Rule, window: SignalsWindow, before: dict[str, list[Firing]], answer: Evaluated, *, now: datetime
) -> None:
    """One rule that cannot be computed must not silence the others."""
    mine = before.get(rule.id, [])
    try:
        events, firing = _evaluate_one(rule, window, mine, now=now)
    except (ArithmeticError, ValueError, TypeError, LookupError, pl.exceptions.PolarsError) as error:
        answer.failed.append(FailedRule(rule.id, f"{type(error).__name__}: {error}"))
        answer.firing.extend(mine)
        return
    answer.events.extend(events)
    answer.firing.extend(firing)


def _evaluate_one(
    rule: Rule, window: SignalsWindow, before: list[Firing], *, now: datetime
) -> tuple[list[AlertEvent], list[Firing]]:
    selection = window.select(rule.series)
    texts: dict[str, str] = {}
    if isinstance(rule.when, LogPattern):
        keyed, texts = key_findings(rule, window, now=now)
    else:
        judged = judge(rule, window, selection)
        if not judged.is_bad.any() and not before:
            return [], []
        keyed = key_samples(rule, window, judged, before)
    in_hindsight = isinstance(rule.when, _HINDSIGHT) and not window.is_history
    is_timeless = isinstance(rule.when, _TIMELESS)
    changes = compute_transitions(
        keyed.seen,
        firing=keyed.identities.is_in([one.identity for one in before]).to_numpy(),
        for_us=int(rule.for_s * 1e6),
        recover_us=0 if is_timeless else int(rule.recover.for_s * 1e6),
        after_us=-(2**62) if in_hindsight else keyed.after_us,
    )
    events, firing = report_changes(
        rule, keyed, changes, before, window=window, texts=texts, is_outcome_only=in_hindsight
    )
    over, stay = end_vanished(rule, window, selection, keyed, firing, now=now) if firing else ([], [])
    return events + over, stay


def _horizon(when: Composite, rules: dict[str, Rule], window: SignalsWindow, *, now: datetime) -> datetime:
    """Up to where everything is known about the parts of a composite; a loader that is late does not hold it up for ever."""
    reach = [now]
    for name in when.rules:
        if name in rules and (chosen := window.select(rules[name].series)).series.size:
            reached_us = int(np.min(window.complete_until_us[chosen.series]))
            reach.append(datetime.fromtimestamp(reached_us / 1e6, tz=UTC))
    return max(min(reach), now - timedelta(minutes=15))
