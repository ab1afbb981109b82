"""All rules over all series of a window: which alerts begin and which are over.

One pass per rule over arrays; nothing here loops over series or samples. State between evaluations is only which identities
fire (`Firing`); everything else is read again from the samples of the window.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import orjson
import polars as pl

from domain.detection.alert_event import AlertEvent, AlertSource, AlertStatus
from domain.detection.conditions import Judged, judge
from domain.detection.firing import Ints, Observations, Transitions, compute_transitions
from domain.detection.rule import Composite, LogPattern, Rule
from domain.detection.window import Floats, SignalsWindow

_NEVER_US = -(2**62)


@dataclass(frozen=True, slots=True)
class Firing:
    """An identity of a rule that fires: since when, and what it was fired with."""

    rule_id: str
    identity: str  # canonical JSON of the labels that tell alerts of the rule apart
    since: datetime
    fired_at: datetime


@dataclass(slots=True)
class Evaluated:
    """What one evaluation found: events in the order of their time, and what fires afterwards."""

    events: list[AlertEvent] = field(default_factory=list)
    firing: list[Firing] = field(default_factory=list)


def compute_fingerprint(rule_id: str, identity: str) -> str:
    """128 bits that name an alert of a rule: the same on every machine."""
    return hashlib.blake2b(f"{rule_id}\0{identity}".encode(), digest_size=16).hexdigest()


def evaluate_rules(
    rules: Sequence[Rule], window: SignalsWindow, firing: Iterable[Firing], *, now: datetime
) -> Evaluated:
    """Judge the samples that were not judged before.

    Args:
        firing: what fired after the last evaluation.
        now: for rules about the present (absence of an object, log patterns): not read from the clock.

    Returns:
        Events of every identity that began or ceased to fire; several of one identity where the window is long.
    """
    before: dict[str, list[Firing]] = {}
    for one in firing:
        before.setdefault(one.rule_id, []).append(one)
    answer = Evaluated()
    plain = [rule for rule in rules if rule.is_enabled and not isinstance(rule.when, Composite)]
    for rule in plain:
        _evaluate_one(rule, window, before.get(rule.id, []), answer, now=now)
    answer.events.sort(key=lambda event: (event.at, event.fingerprint))
    return answer


def _evaluate_one(rule: Rule, window: SignalsWindow, before: list[Firing], answer: Evaluated, *, now: datetime) -> None:
    if isinstance(rule.when, LogPattern):
        return
    judged = judge(rule, window, window.select(rule.series))
    if not judged.is_bad.any() and not before:
        return
    keyed = _key(rule, window, judged, before)
    changes = compute_transitions(
        keyed.seen,
        firing=keyed.identities.is_in([one.identity for one in before]).to_numpy(),
        for_us=int(rule.for_s * 1e6),
        recover_us=int(rule.recover.for_s * 1e6),
        after_us=keyed.after_us,
    )
    fires = _report(rule, keyed, changes, before, answer, series=window.series)
    answer.firing.extend(_end_the_vanished(rule, keyed, fires, answer, now=now))


@dataclass(frozen=True, slots=True)
class _Keyed:
    """Samples by identity. `position` is a series that stands for each sample."""

    seen: Observations
    after_us: Ints
    limit: Floats
    position: Ints
    identities: pl.Series


def _key(rule: Rule, window: SignalsWindow, judged: Judged, before: list[Firing]) -> _Keyed:
    """Each series is its own identity, or all series that share the fingerprint's labels are one: bad if one of them is.

    Identities that are neither bad anywhere nor firing are left out: they cannot change.
    """
    of_series = _identities(rule, window, np.unique(judged.position))
    frame = pl.DataFrame(
        {
            "position": judged.position,
            "at_us": judged.at_us,
            "value": judged.value,
            "is_bad": judged.is_bad,
            "is_good": judged.is_good,
            "limit": judged.limit,
            "after_us": window.decided_until_us[judged.position],
        }
    ).join(of_series, on="position")
    concerned = pl.concat(
        [frame.filter("is_bad")["identity"].unique(), pl.Series([one.identity for one in before], dtype=pl.String)]
    )
    kept = frame.filter(pl.col("identity").is_in(concerned.implode()))
    merged = (
        kept.sort("identity", "at_us", pl.col("is_bad"), descending=[False, False, True])
        .group_by("identity", "at_us", maintain_order=True)
        .agg(
            pl.col("position", "value", "limit").first(),
            pl.col("is_bad").any(),
            pl.col("is_good").all(),
            pl.col("after_us").min(),
        )
    )
    seen = Observations(
        key=merged["identity"].rle_id().to_numpy().astype(np.int64),
        at_us=merged["at_us"].to_numpy(),
        value=merged["value"].to_numpy(),
        is_bad=merged["is_bad"].to_numpy(),
        is_good=merged["is_good"].to_numpy(),
    )
    identities = merged["identity"].unique(maintain_order=True)
    return _Keyed(
        seen, merged["after_us"].to_numpy(), merged["limit"].to_numpy(), merged["position"].to_numpy(), identities
    )


def _identities(rule: Rule, window: SignalsWindow, positions: Ints) -> pl.DataFrame:
    """position, identity: the canonical JSON of the labels that count."""
    if rule.fingerprint is None:
        return pl.DataFrame({"position": positions, "identity": window.series["labels"].gather(positions)})
    labels = pl.DataFrame(
        {"position": positions, **{name: window.label(name).gather(positions) for name in rule.fingerprint}}
    )
    combinations = labels.drop("position").unique()
    texts = [
        orjson.dumps({name: value for name, value in row.items() if value}, option=orjson.OPT_SORT_KEYS).decode()
        for row in combinations.iter_rows(named=True)
    ]
    named = combinations.with_columns(identity=pl.Series(texts, dtype=pl.String))
    if not rule.fingerprint:
        return labels.with_columns(identity=pl.lit("{}"))
    return labels.join(named, on=rule.fingerprint).select("position", "identity")


def _report(
    rule: Rule, keyed: _Keyed, changes: Transitions, before: list[Firing], answer: Evaluated, *, series: pl.DataFrame
) -> dict[str, Firing]:
    firing = {one.identity: one for one in before}
    for row in range(changes.sample.size):
        sample = int(changes.sample[row])
        identity, at = keyed.identities[int(keyed.seen.key[sample])], _instant(int(keyed.seen.at_us[sample]))
        is_firing = bool(changes.is_firing[row])
        if is_firing:
            firing[identity] = Firing(rule.id, identity, _instant(int(changes.onset_us[row])), at)
        one = firing[identity] if is_firing else firing.pop(identity)
        answer.events.append(
            _event(
                rule,
                one,
                is_firing=is_firing,
                at=at,
                value=float(keyed.seen.value[sample]),
                limit=float(keyed.limit[sample]),
                series=series.row(int(keyed.position[sample]), named=True),
            )
        )
    return firing


def _end_the_vanished(
    rule: Rule, keyed: _Keyed, firing: dict[str, Firing], answer: Evaluated, *, now: datetime
) -> list[Firing]:
    """What fires and has had no sample for `stale_s` is over: its pod, table or endpoint is gone, or its source is silent."""
    if not firing:
        return []
    ends = np.flatnonzero(np.diff(keyed.seen.key, append=-1))
    last_us = dict(zip(keyed.identities.to_list(), keyed.seen.at_us[ends].tolist(), strict=True))
    limit_us = int(now.timestamp() * 1e6) - int(rule.stale_s * 1e6)
    gone = [one for one in firing.values() if last_us.get(one.identity, _NEVER_US) < limit_us]
    for one in gone:
        answer.events.append(_event(rule, one, is_firing=False, at=now, value=None, limit=None, series=None))
    return [one for one in firing.values() if one not in gone]


def _event(
    rule: Rule,
    firing: Firing,
    *,
    is_firing: bool,
    at: datetime,
    value: float | None,
    limit: float | None,
    series: dict[str, object] | None,
) -> AlertEvent:
    labels = {**orjson.loads(firing.identity), **rule.labels}
    facts: dict[str, object] = {**labels, "value": value if value is not None else float("nan"), "limit": limit}
    gone = (
        {}
        if value is not None
        else {"over": f"no sample for {rule.stale_s:.0f} s: its object is gone or its source silent"}
    )
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
        annotations={
            "runbook": rule.runbook,
            "owner": rule.owner,
            "loader": str(series["loader_code"]) if series else "",
            "metric": str(series["metric_name"]) if series else "",
            **gone,
        },
        value=value,
        threshold=limit if limit is not None and np.isfinite(limit) else None,
        series_id=int(str(series["series_id"])) if series else None,
    )


def render_text(template: str, facts: dict[str, object]) -> str:
    """`{service}` and `{value}` filled in; numbers shortly; what is unknown stays away."""
    text = template
    for name, value in facts.items():
        text = text.replace(f"{{{name}}}", _shown(value))
    return text


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return "" if value is None else str(value)


def _instant(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us / 1e6, tz=UTC)
