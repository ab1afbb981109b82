"""How a drill went: each step with its instant, the seconds it took, and whether that met its target (E5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from domain.drills.scenario import DrillTargets


@dataclass(frozen=True, slots=True)
class DrillFacts:
    """What happened; None or empty: it did not. `sla` are seconds per measure of the incident, `messages` channel → first handed over."""

    injected_at: datetime
    ended_at: datetime | None
    first_bad_at: datetime | None = None
    alert_at: datetime | None = None
    opened_at: datetime | None = None
    messages: Mapping[str, datetime | None] = field(default_factory=dict)
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""
    acknowledged_via: str = ""
    escalated_at: Sequence[datetime] = ()
    spared: Sequence[str] = ()
    resolved_at: datetime | None = None
    sla: Mapping[str, int] = field(default_factory=dict)
    is_over: bool = True


@dataclass(frozen=True, slots=True)
class DrillStep:
    """One line. `seconds` are counted from `since`; `is_met` is None where there is no target, or it may still be met."""

    name: str
    at: datetime | None
    since: str
    seconds: float | None
    target_s: int | None = None
    is_met: bool | None = None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "at": self.at.isoformat() if self.at else None}


def compile_steps(facts: DrillFacts, targets: DrillTargets) -> list[DrillStep]:
    """The steps in the order in which they should happen; those that did not are there too, without an instant."""
    return [*_to_incident(facts, targets), *_to_people(facts, targets), *_to_end(facts)]


def _to_incident(facts: DrillFacts, targets: DrillTargets) -> Iterator[DrillStep]:
    yield DrillStep("injected", facts.injected_at, "start", 0.0)
    yield _step(facts, "first bad sample", facts.first_bad_at, since=("injected", facts.injected_at))
    yield _step(facts, "alert", facts.alert_at, since=("injected", facts.injected_at))
    begun = facts.first_bad_at or facts.injected_at
    since = ("first bad sample", max(begun, facts.injected_at))
    yield _step(facts, "incident", facts.opened_at, since=since, target_s=targets.incident_s)


def _to_people(facts: DrillFacts, targets: DrillTargets) -> Iterator[DrillStep]:
    opened = ("incident", facts.opened_at)
    for channel, at in sorted(facts.messages.items()):
        yield _step(facts, f"first message by {channel}", at, since=opened, target_s=targets.message_s)
    if not facts.messages:
        yield _step(facts, "first message", None, since=opened, target_s=targets.message_s, note="nobody was told")
    via = f"by {facts.acknowledged_by} via {facts.acknowledged_via}" if facts.acknowledged_at else "by nobody"
    target = facts.sla.get("acknowledge")
    yield _step(facts, "acknowledged", facts.acknowledged_at, since=opened, target_s=target, note=via)
    for number, at in enumerate(facts.escalated_at, 1):
        yield _step(facts, f"escalation {number}", at, since=opened)
    for words in facts.spared:
        yield DrillStep("not told in a drill", None, "incident", None, note=words)


def _to_end(facts: DrillFacts) -> Iterator[DrillStep]:
    yield _step(facts, "fault cleared", facts.ended_at, since=("injected", facts.injected_at))
    opened = ("incident", facts.opened_at)
    yield _step(facts, "resolved", facts.resolved_at, since=opened, target_s=facts.sla.get("resolve"))


def _step(
    facts: DrillFacts,
    name: str,
    at: datetime | None,
    *,
    since: tuple[str, datetime | None],
    target_s: int | None = None,
    note: str = "",
) -> DrillStep:
    word, begun = since
    seconds = round((at - begun).total_seconds(), 3) if at and begun else None
    is_met = None
    if target_s is not None and seconds is not None:
        is_met = seconds <= target_s
    elif target_s is not None and facts.is_over:
        is_met = False
    return DrillStep(name, at, word, seconds, target_s, is_met, note)
