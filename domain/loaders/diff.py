"""What changed between two versions of a loader, grouped and in words: schedule, query, thresholds, connection, limits, texts.

Metrics are matched by name, so that a moved query is no change. Protected values are masked for the reader's role; that they
changed is always said. Queries of several lines come with a line-wise difference.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from domain.access.field_protection import MASK, Effect, effect_at
from domain.loaders.connection_url import mask_query
from domain.loaders.schedule_words import compare_schedules, count_captures_per_day

_LISTS = ("prometheus", "elasticsearch", "log_lines", "sql", "push")
_MISSING = object()


class Group(StrEnum):
    """What a change is about, in the order it is shown."""

    SCHEDULE = "schedule"
    QUERY = "query"
    THRESHOLDS = "thresholds"
    CONNECTION = "connection"
    LIMITS = "limits"
    TEXTS = "texts"


class ChangeKind(StrEnum):
    """What happened to a value."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class LoaderChange:
    """One change. `path` names metrics: `prometheus[latency_p99_ms].promql`. Masked values are `MASK`; `lines` is a text diff."""

    group: Group
    path: str
    kind: ChangeKind
    old: Any
    new: Any
    sentence: str
    lines: tuple[str, ...] = ()


_GROUPS = {
    **dict.fromkeys(("schedule", "step_s", "expected_latency_s", "late_lookback_s", "history_s"), Group.SCHEDULE),
    **dict.fromkeys(("source", "connection"), Group.CONNECTION),
    **dict.fromkeys(("title", "description", "owner", "unit"), Group.TEXTS),
    **dict.fromkeys(("limit", "warn_at_pct", "lead_time_days"), Group.THRESHOLDS),
    **dict.fromkeys(
        ("timeout_s", "max_series", "max_label_bytes", "future_tolerance_s", "accepts_any_metric", "max_lines"),
        Group.LIMITS,
    ),
}
_WORDS = {
    "step_s": "step in seconds",
    "expected_latency_s": "expected latency in seconds",
    "late_lookback_s": "look-back for late rows in seconds",
    "history_s": "history of the first capture in seconds",
    "timeout_s": "timeout in seconds",
    "limit.value": "limit",
    "limit.warn_at_pct": "warning at percent of the limit",
    "limit.lead_time_days": "lead time in days",
}


def compute_diff(old: Mapping[str, Any], new: Mapping[str, Any], effects: Mapping[str, Effect]) -> list[LoaderChange]:
    """Every difference, by group and then in the order of the definition; empty when there is none.

    Args:
        old, new: documents as `document_of` makes them, secrets in clear.
        effects: field path → effect for the reader; hidden values look masked, because that they changed may be known.
    """
    changes = [_describe(path, _policy_path(path), was, became, effects) for path, was, became in _leaves(old, new, ())]
    order = list(Group)
    return sorted(changes, key=lambda one: order.index(one.group))


def _leaves(
    old: Mapping[str, Any], new: Mapping[str, Any], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Path, old and new value of everything that differs; a value that is not there is `_MISSING`."""
    for name in dict.fromkeys((*old, *new)):
        was, became = old.get(name, _MISSING), new.get(name, _MISSING)
        here = (*path, name)
        if name in _LISTS and not path:
            yield from _queries(here, was, became)
        elif _is_entered(here, was, became):
            yield from _leaves(_mapping(was), _mapping(became), here)
        elif was != became:
            yield here, was, became


def _is_entered(path: tuple[str, ...], was: Any, became: Any) -> bool:
    """Connections and limits are compared field by field, bodies of queries as one text."""
    if path[-1] not in {"connection", "limit", "headers"}:
        return False
    return isinstance(was, Mapping) and isinstance(became, Mapping)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _queries(path: tuple[str, ...], was: Any, became: Any) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    before, after = _by_name(was), _by_name(became)
    for name in dict.fromkeys((*before, *after)):
        here = (f"{path[0]}[{name}]",)
        if name in before and name in after:
            yield from _leaves(before[name], after[name], here)
        else:
            yield here, before.get(name, _MISSING), after.get(name, _MISSING)


def _by_name(queries: Any) -> dict[str, Mapping[str, Any]]:
    named: dict[str, Mapping[str, Any]] = {}
    for position, one in enumerate(queries if isinstance(queries, list) else ()):
        name = str(one.get("metric_name") or one.get("index") or position)
        named[name if name not in named else f"{name}#{position}"] = one
    return named


def _policy_path(path: tuple[str, ...]) -> tuple[str, ...]:
    """The path as field policies write it: without names of metrics."""
    return (path[0].partition("[")[0], *path[1:])


def _describe(
    path: tuple[str, ...], policy: tuple[str, ...], was: Any, became: Any, effects: Mapping[str, Effect]
) -> LoaderChange:
    effect = effect_at(policy, effects)
    is_protected = effect is not Effect.VISIBLE
    if effect is Effect.HIDDEN and policy[:2] == ("connection", "headers"):
        path = path[:2]  # the names of hidden headers are not told either
    kind = ChangeKind.ADDED if was is _MISSING else ChangeKind.REMOVED if became is _MISSING else ChangeKind.CHANGED
    old, new = (_shown(one, policy, is_protected=is_protected, effects=effects) for one in (was, became))
    name = ".".join(path)
    return LoaderChange(
        group=_group(path),
        path=name,
        kind=kind,
        old=old,
        new=new,
        sentence=_sentence(path, kind, old, new, is_protected=is_protected),
        lines=() if is_protected else _line_diff(old, new),
    )


def _shown(value: Any, policy: tuple[str, ...], *, is_protected: bool, effects: Mapping[str, Effect]) -> Any:
    if value is _MISSING or value is None:
        return None
    if is_protected:
        return MASK
    if policy == ("connection", "url"):
        return mask_query(value)
    if isinstance(value, Mapping):  # a whole connection or query that came or went
        return {
            name: _shown(
                one,
                (*policy, str(name)),
                is_protected=effect_at((*policy, str(name)), effects) is not Effect.VISIBLE,
                effects=effects,
            )
            for name, one in value.items()
        }
    return value


def _group(path: tuple[str, ...]) -> Group:
    if "[" in path[0] and len(path) == 1:
        return Group.QUERY
    if "[" in path[0]:
        return _GROUPS.get(path[1], Group.QUERY)
    return _GROUPS.get(path[0], Group.LIMITS)


def _sentence(path: tuple[str, ...], kind: ChangeKind, old: Any, new: Any, *, is_protected: bool) -> str:
    name = _words(path)
    if is_protected:
        return f"{name} {kind.value} (protected)"
    if path == ("schedule",) and kind is ChangeKind.CHANGED:
        return f"schedule {compare_schedules(old, new)}"
    if kind is not ChangeKind.CHANGED:
        value = old if kind is ChangeKind.REMOVED else new
        return f"{name} {kind.value}" + (f": {_short(value)}" if not isinstance(value, Mapping) else "")
    if old == new:
        return f"{name}: a secret value inside it changed"
    if max(len(_short(old)), len(_short(new))) > _LONG or "\n" in f"{old}{new}":
        return f"{name} changed"
    return f"{name} {_short(old)} → {_short(new)}"


_LONG = 80


def _words(path: tuple[str, ...]) -> str:
    if "[" not in path[0]:
        return _WORDS.get(path[-1], " ".join(path).replace("_", " "))
    kind, _, rest = path[0].partition("[")
    metric = rest.removesuffix("]")
    field = ".".join(path[1:])
    return f"{kind.replace('_', ' ')} {metric}" + (f": {_WORDS.get(field, field.replace('_', ' '))}" if field else "")


def _short(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _line_diff(old: Any, new: Any) -> tuple[str, ...]:
    """Unified difference, line by line, of texts of several lines and of bodies of queries; empty for simple values."""
    if isinstance(old, list | dict) or isinstance(new, list | dict):
        old, new = (
            orjson.dumps(one, option=orjson.OPT_INDENT_2).decode() if one is not None else "" for one in (old, new)
        )
    if not (isinstance(old, str) and isinstance(new, str)) or "\n" not in old + new:
        return ()
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=2)
    return tuple(lines)[2:]


def compare_load(old: Mapping[str, Any], new: Mapping[str, Any]) -> float:
    """Captures per day that the new definition makes more (less: negative) than the old one."""
    return count_captures_per_day(new["schedule"]) - count_captures_per_day(old["schedule"])
