"""The examples that a rule file brings along, run through the same evaluation as the live samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import polars as pl

from domain.detection.alert_event import AlertEvent, AlertStatus
from domain.detection.case_evidence import CaseEvidence, read_length_s
from domain.detection.evaluation import evaluate_rules
from domain.detection.rule import Composite, Rule
from domain.detection.rule_case import Case
from domain.detection.short_form import expand_values
from domain.detection.window import SignalsWindow
from domain.signals import POINTS_SCHEMA, SERIES_SCHEMA, canonical_labels

#: A Monday; cases are about durations, not dates.
ORIGIN = datetime(2026, 1, 5, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CaseOutcome:
    """What a case expected and what came; instants are seconds after its origin."""

    rule_id: str
    name: str
    is_passed: bool
    reason: str = ""
    fired_at_s: float | None = None
    recovered_at_s: float | None = None
    labels: dict[str, str] = field(default_factory=dict)
    title: str = ""


def run_cases(rule: Rule, others: Mapping[str, Rule]) -> list[CaseOutcome]:
    """All cases of a rule.

    Args:
        others: rules by id, for composites.
    """
    return [run_case(rule, case, others) for case in rule.cases]


def run_case(rule: Rule, case: Case, others: Mapping[str, Rule]) -> CaseOutcome:
    """One case: the first alert whose labels it names, and its end."""
    try:
        events = _evaluate(rule, case, others)
    except ValueError as error:
        return CaseOutcome(rule.id, case.name, is_passed=False, reason=str(error))
    fitting = [event for event in events if event.rule_id == rule.id and case.fires_for.items() <= event.labels.items()]
    fired = next((event for event in fitting if event.status is AlertStatus.FIRING), None)
    if fired is None:
        reason = "" if case.fires_at_s is None else f"it never fires; expected after {case.fires_at_s:g} s"
        return CaseOutcome(rule.id, case.name, is_passed=not reason, reason=reason)
    over = next(
        (one for one in fitting if one.status is AlertStatus.RESOLVED and one.fingerprint == fired.fingerprint), None
    )
    return _compare(rule, case, fired, over)


def _compare(rule: Rule, case: Case, fired: AlertEvent, over: AlertEvent | None) -> CaseOutcome:
    fired_s, over_s = _seconds(fired.at), _seconds(over.at) if over else None
    reason = ""
    if case.fires_at_s is None:
        reason = f"it fires after {fired_s:g} s; expected never"
    elif fired_s != case.fires_at_s:
        reason = f"it fires after {fired_s:g} s; expected {case.fires_at_s:g} s"
    elif case.recovers_at_s is not None and over_s != case.recovers_at_s:
        ends = "never" if over_s is None else f"after {over_s:g} s"
        reason = f"it recovers {ends}; expected {case.recovers_at_s:g} s"
    return CaseOutcome(
        rule.id, case.name, not reason, reason, fired_s, over_s, labels=dict(fired.labels), title=fired.title
    )


def _seconds(at: datetime) -> float:
    return (at - ORIGIN).total_seconds()


def _evaluate(rule: Rule, case: Case, others: Mapping[str, Rule]) -> list[AlertEvent]:
    window, until = make_case_window(case)
    parts = [others[name] for name in rule.when.rules if name in others] if isinstance(rule.when, Composite) else []
    found = evaluate_rules([*parts, rule.made_live()], window, [], now=until)
    if found.failed:
        raise ValueError(found.failed[0].reason)
    return found.events


def make_case_window(case: Case) -> tuple[SignalsWindow, datetime]:
    """The samples of a case, and up to when its sources have captured."""
    values = [expand_values(one.values) for one in case.given]
    lengths = [read_length_s(one, len(each)) for one, each in zip(case.given, values, strict=True)]
    ends = [*lengths, *(finding.at_s for finding in case.findings)]
    until = ORIGIN + timedelta(seconds=case.until_s if case.until_s is not None else max(ends, default=0.0))
    rows = [
        (number, ORIGIN + timedelta(seconds=position * one.every_s), value)
        for number, (one, each) in enumerate(zip(case.given, values, strict=True))
        for position, value in enumerate(each)
        if value is not None
    ]
    series = [
        (number, one.loader, one.metric, canonical_labels(one.labels), one.every_s)
        for number, one in enumerate(case.given)
    ]
    points = pl.DataFrame(rows, schema=POINTS_SCHEMA, orient="row")
    window = SignalsWindow(
        pl.DataFrame(series, schema={**SERIES_SCHEMA, "step_s": pl.Float64()}, orient="row"),
        points,
        CaseEvidence(case, points, origin=ORIGIN),
        complete_until_us={one.loader: int(until.timestamp() * 1e6) for one in case.given},
        is_history=True,
    )
    return window, until
