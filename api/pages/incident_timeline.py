"""The timeline of an incident in words: who did what through what, and the rest of the entry as small lines. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.incidents.view import incident_code
from resources.incidents.reading import TimelineEntry

_MACHINES = {"detection", "platform", "notification", "delivery", "escalation"}
_WORDS = {
    "opened": "Opened",
    "alert-joined": "Alert joined",
    "acknowledge": "Acknowledged",
    "investigate": "Investigation began",
    "remediate": "Remediation began",
    "monitor": "Mitigated, being watched",
    "resolve": "Resolved",
    "close": "Closed",
    "reopen": "Reopened",
    "snooze": "Snoozed",
    "wake": "Woken",
    "assign": "Assigned",
    "comment": "Comment",
    "set-severity": "Severity changed",
    "merge": "Merged",
    "merged-in": "Another incident merged in",
    "split": "Split",
    "paged": "People told",
    "silenced": "Silenced",
    "sla-warning": "A target is about to be missed",
    "sla-breached": "Target missed",
    "delivery-failed": "A message did not arrive",
    "not-reached": "Somebody was not reached",
    "escalation-requested": "Escalation asked for",
    "details-requested": "Details asked for",
    "flapping": "Flapping",
    "flapping-ended": "Flapping ended",
}
_KINDS = {
    "opened": "bad", "alert-joined": "warn", "reopen": "bad", "sla-breached": "bad", "delivery-failed": "bad", "not-reached": "warn",
    "sla-warning": "warn", "acknowledge": "ok", "resolve": "ok", "close": "ok", "monitor": "ok", "paged": "note",
}  # fmt: skip
_QUIET = {"alerts", "incident_id"}
_LONGEST, _MOST = 2000, 12


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """One entry as it is shown. `said` is what a person wrote."""

    at: datetime
    title: str
    by: str
    kind: str
    said: str
    lines: list[str]


def show_entry(entry: TimelineEntry) -> TimelineRow:
    """In words; a kind that is not known here is shown as it is."""
    via = f" via {entry.cause}" if entry.cause not in ("", "page", entry.actor, "rule") else ""
    detail = dict(entry.detail)
    reason = str(detail.pop("reason", ""))[:_LONGEST]
    is_machine = entry.actor in _MACHINES
    lines = [*([reason] if is_machine and reason else []), *_lines(detail)]
    return TimelineRow(
        at=entry.at,
        title=_WORDS.get(entry.kind, entry.kind.replace("-", " ").capitalize()),
        by=f"{entry.actor}{via}",
        kind=_KINDS.get(entry.kind, ""),
        said="" if is_machine else reason,
        lines=lines[:_MOST],
    )


def _lines(detail: dict[str, Any]) -> Iterator[str]:
    for name, value in detail.items():
        if name in _QUIET or value in (None, "", [], {}):
            continue
        words = name.replace("_", " ")
        if isinstance(value, dict):
            yield f"{words}: {', '.join(f'{key} ({_text(inner)})' for key, inner in value.items())}"[:_LONGEST]
        elif name in ("titles", "notes") and isinstance(value, list):
            yield from (_text(one) for one in value)
        else:
            yield f"{words}: {_text(value)}"[:_LONGEST]


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    return str(value)


def show_codes(numbers: list[int]) -> list[str]:
    """INC-12 for each."""
    return [incident_code(one) for one in numbers]
