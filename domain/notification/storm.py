"""Storms: how many messages of a lane (recipient, channel, CRITICAL or not) go out singly, and what a bundle says (H7)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from domain.notification.tiers import ChannelRules, StormRules
from domain.vocabulary import Severity

#: Codes on one line, so that no text cuts it.
_CODES = 20
_RANK = {severity: rank for rank, severity in enumerate(Severity)}


class LaneFate(StrEnum):
    """What becomes of the messages that wait in a lane."""

    SINGLE = "single"
    BUNDLE = "bundle"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Lane:
    """Messages to one recipient through one channel: how many wait, how many went out singly in the window, the last bundle."""

    waiting: int
    recent: int
    bundled_at: datetime | None


def decide_lane(lane: Lane, rules: StormRules, *, now: datetime) -> tuple[LaneFate, datetime]:
    """What to do, and when to look again at what is held.

    Few go out singly. More become one bundle at once; those that come soon after wait for the next bundle.
    """
    if lane.waiting <= rules.single_at_most - lane.recent:
        return LaneFate.SINGLE, now
    next_at = lane.bundled_at + timedelta(seconds=rules.every_s) if lane.bundled_at else now
    return (LaneFate.BUNDLE, now) if next_at <= now else (LaneFate.HOLD, next_at)


@dataclass(frozen=True, slots=True)
class Bundled:
    """One message of a bundle: its facts, severity and number."""

    message_id: int
    severity: Severity
    facts: dict[str, Any]


def compose_bundles(
    messages: Sequence[Bundled], channel: ChannelRules, rules: StormRules
) -> list[tuple[list[int], Severity, dict[str, Any]]]:
    """Bundles as (numbers of their messages, worst severity, facts).

    `facts`: what every message has (title, service, detected_at, incident_url), `lines` for people, `counts` per severity,
    `incidents` (the most urgent, at most `top`), `critical` (every CRITICAL incident of this bundle: code, title, service),
    part, parts. A channel that names all gets as many bundles as its size demands; another names the first and says how many
    more there are (`critical_not_named`).
    """
    ordered = sorted(messages, key=lambda one: (_RANK[one.severity], one.message_id))
    incidents = {one.facts.get("code", one.message_id): one for one in reversed(ordered)}
    unique = sorted(incidents.values(), key=lambda one: (_RANK[one.severity], one.message_id))
    critical = [_named(one) for one in unique if one.severity is Severity.CRITICAL]
    size = channel.name_at_most
    parts = (
        [critical[start : start + size] for start in range(0, len(critical), size)]
        if channel.names_all
        else [critical[:size]]
    )
    parts = parts or [[]]
    counts = Counter(one.severity.value for one in unique)
    spoken = ", ".join(f"{counts[one.value]} {one.value}" for one in Severity if counts[one.value])
    worst = ordered[0].severity
    return [
        (
            [one.message_id for one in ordered] if number == 0 else [],
            worst,
            {
                "title": f"{len(unique)} incident{'' if len(unique) == 1 else 's'}: {spoken}",
                "severity": worst.value,
                "counts": dict(counts),
                "messages": len(ordered),
                "incidents": [{**_named(one), "severity": one.severity.value} for one in unique[: rules.top]],
                "critical": part,
                "critical_not_named": 0 if channel.names_all else len(critical) - len(part),
                "part": number + 1,
                "parts": len(parts),
                **_shown(unique, part, len(critical) - len(part) if not channel.names_all else 0, rules.top),
            },
        )
        for number, part in enumerate(parts)
    ]


def _shown(unique: Sequence[Bundled], critical: Sequence[dict[str, Any]], unnamed: int, top: int) -> dict[str, Any]:
    """What people read. The codes stand first: a channel that shows a few lines shows them."""
    services = list(dict.fromkeys(str(one.facts["service"]) for one in unique if one.facts.get("service")))
    more = f" and {len(services) - 3} more" if len(services) > 3 else ""
    codes = [str(one["code"]) for one in critical]
    lines = [f"CRITICAL: {', '.join(codes[at : at + _CODES])}" for at in range(0, len(codes), _CODES)]
    if unnamed:
        lines.append(f"and {unnamed} more CRITICAL, named by mail and chat")
    lines += [
        f"{one.severity.value} {one.facts.get('code', '')} {str(one.facts.get('title', ''))[:80]}"
        for one in unique[:top]
    ]
    known = sorted(str(one.facts["detected_at"]) for one in unique if one.facts.get("detected_at"))
    return {
        "service": f"{', '.join(services[:3])}{more}",
        "detected_at": known[0] if known else None,
        "incident_url": unique[0].facts.get("incidents_url", ""),
        "lines": lines,
    }


def _named(one: Bundled) -> dict[str, Any]:
    return {name: one.facts.get(name, "") for name in ("code", "title", "service")}
