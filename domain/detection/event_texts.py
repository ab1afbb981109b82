"""The event that tells of a change, with its texts filled in."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from domain.detection.alert_event import AlertEvent, AlertSource, AlertStatus, Category
from domain.detection.keyed import Firing
from domain.detection.rule import Rule
from domain.vocabulary import Severity

_PLACE = re.compile(r"\{(\w+)\}")
_LARGE = 100.0


@dataclass(frozen=True, slots=True)
class Fact:
    """What was measured when a state changed; nothing where nothing was."""

    value: float | None = None
    limit: float | None = None
    series: dict[str, Any] | None = None
    texts: dict[str, str] = field(default_factory=dict)  # further places of the texts
    over: str = ""  # why it is over, where it did not simply get well


def compute_fingerprint(rule_id: str, identity: str) -> str:
    """128 bits that name an alert of a rule: the same on every machine."""
    return hashlib.blake2b(f"{rule_id}\0{identity}".encode(), digest_size=16).hexdigest()


def make_event(rule: Rule, firing: Firing, *, is_firing: bool, at: datetime, fact: Fact) -> AlertEvent:
    """The event of one identity of a rule."""
    labels = {**orjson.loads(firing.identity), **rule.labels}
    value, limit, series = _finite(fact.value), _finite(fact.limit), fact.series or {}
    of_series = {**orjson.loads(series.get("labels", "{}")), "metric": series.get("metric_name", "")}
    where = ", ".join(text for name, text in orjson.loads(firing.identity).items() if name != "metric")
    facts: dict[str, object] = {"where": where, **of_series, **fact.texts, **labels, "value": value, "limit": limit}
    annotations = {
        "triage": "\n".join(rule.triage),
        "runbook": rule.runbook,
        "owner": rule.owner,
        "loader": str(series.get("loader_code", "")),
        "metric": str(series.get("metric_name", "")),
    }
    return AlertEvent(
        fingerprint=compute_fingerprint(rule.id, firing.identity),
        status=AlertStatus.FIRING if is_firing else AlertStatus.RESOLVED,
        at=at,
        onset_at=firing.since,
        fired_at=firing.fired_at,
        source=AlertSource.RULE,
        rule_id=rule.id,
        title=render_text(rule.title, facts),
        summary=render_text(rule.summary, facts),
        severity=rule.severity,
        category=rule.category,
        labels=labels,
        annotations=annotations | ({"over": fact.over} if fact.over else {}),
        value=value,
        threshold=limit,
        series_id=int(series["series_id"]) if series else None,
    )


def make_gone_event(rule: Rule | None, firing: Firing, *, at: datetime) -> AlertEvent:
    """What fired is over because nobody is told of it any more. Without a rule nothing but its identity is known."""
    over = f"its rule is {rule.status}" if rule else "its rule is gone"
    if rule is not None:
        return make_event(rule, firing, is_firing=False, at=at, fact=Fact(over=over))
    return AlertEvent(
        fingerprint=compute_fingerprint(firing.rule_id, firing.identity),
        status=AlertStatus.RESOLVED,
        at=at,
        onset_at=firing.since,
        fired_at=firing.fired_at,
        source=AlertSource.RULE,
        rule_id=firing.rule_id,
        title=f"The rule {firing.rule_id} is gone",
        summary="",
        severity=Severity.LOW,
        category=Category.PLATFORM,
        labels=orjson.loads(firing.identity),
        annotations={"over": over},
    )


def render_text(template: str, facts: dict[str, object]) -> str:
    """`{service}` and `{value}` filled in; numbers shortly; what is unknown stays away."""
    return _PLACE.sub(lambda place: _shown(facts.get(place[1])), template)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= _LARGE else f"{value:.3g}"
    return "" if value is None else str(value)
