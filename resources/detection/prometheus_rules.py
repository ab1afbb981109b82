"""Alert rules of Prometheus as rules of ours: what maps is kept exactly, what does not is said.

Mapped: a comparison of one selector, or of rate() or increase() of one, with a number; for, keep_firing_for, severity, labels,
annotations with {{ $labels.x }} and {{ $value }}, runbook_url. Everything else needs a loader that computes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import promql_parser as syntax
from pydantic import ValidationError

from domain.detection.rule import Rule
from domain.vocabulary import Severity
from resources.rule_files import parse_mapping, read_rule_text

_SEVERITIES = {
    **dict.fromkeys(("critical", "page", "emergency", "disaster"), Severity.CRITICAL),
    **dict.fromkeys(("high", "error", "major", "ticket"), Severity.HIGH),
    **dict.fromkeys(("medium", "warning", "warn", "minor", "average"), Severity.MEDIUM),
    **dict.fromkeys(("low", "info", "information", "none", "notice"), Severity.LOW),
}
_SWAPPED = {">": "<", ">=": "<=", "<": ">", "<=": ">=", "==": "=="}
_LABEL = re.compile(r"\{\{-?\s*\$labels\.(\w+)\s*-?\}\}")
_VALUE = re.compile(r"\{\{-?\s*(?:\$value|\$value \| \w+|printf \"[^\"]*\" \$value)\s*-?\}\}")
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")


class _NoMatchError(Exception):
    """Says what of an expression does not map."""


@dataclass(frozen=True, slots=True)
class ImportedRule:
    """One alert: its rule, or none and why; `notes` say what was left out of a rule that maps."""

    alert: str
    rule: Rule | None
    reason: str = ""
    notes: list[str] = field(default_factory=list)


def import_prometheus_rules(path: Path) -> list[ImportedRule]:
    """Every rule of a file of groups.

    Raises:
        RuleFileError: unreadable, or no YAML mapping.
    """
    _, raw = parse_mapping(read_rule_text(path), path)
    groups = raw.get("groups")
    found: list[ImportedRule] = []
    taken: set[str] = set()
    for group in groups if isinstance(groups, list) else []:
        for entry in group.get("rules", []) if isinstance(group, dict) else []:
            one = _import(entry if isinstance(entry, dict) else {}, taken)
            found.append(one)
            if one.rule is not None:
                taken.add(one.rule.id)
    return found


def _import(entry: dict[str, Any], taken: set[str]) -> ImportedRule:
    if "alert" not in entry:
        name = str(entry.get("record", "?"))
        return ImportedRule(name, None, "a recording rule: let a loader capture its expression instead")
    name = str(entry["alert"])
    notes: list[str] = []
    try:
        condition = map_expression(str(entry.get("expr", "")))
        fields = _describe(name, entry, notes)
        fields["id"] = _name(name, taken)
        rule = Rule.model_validate({**fields, **condition})
    except _NoMatchError as error:
        return ImportedRule(name, None, str(error))
    except ValidationError as error:
        return ImportedRule(name, None, str(error.errors()[0]["msg"]))
    return ImportedRule(name, rule, notes=notes)


def _name(alert: str, taken: set[str]) -> str:
    words = "-".join(word.lower() for word in _WORD.split(alert) if word) or "alert"
    base = words if words[0].isalpha() else f"alert-{words}"
    base = base[:70] if len(base) > 2 else f"{base}-alert"
    number = next(number for number in range(1, 10_000) if (base if number == 1 else f"{base}-{number}") not in taken)
    return base if number == 1 else f"{base}-{number}"


def _describe(name: str, entry: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    labels, notes_of = dict(entry.get("labels") or {}), dict(entry.get("annotations") or {})
    asked = str(labels.pop("severity", "")).lower()
    if asked not in _SEVERITIES:
        notes.append(f"severity {asked or 'unset'!s}: taken as MEDIUM")
    for key in [key for key, value in labels.items() if "{{" in str(value)]:
        notes.append(f"label {key}: templates in labels are left out")
        labels.pop(key)
    return {
        "title": _text(str(notes_of.get("summary", name)), notes),
        "summary": _text(str(notes_of.get("description", notes_of.get("message", ""))), notes),
        "runbook": str(notes_of.get("runbook_url", "")),
        "severity": _SEVERITIES.get(asked, Severity.MEDIUM),
        "category": "infrastructure",
        "for_s": _seconds(entry.get("for")),
        "recover": {"for_s": _seconds(entry.get("keep_firing_for"))},
        "stale_s": 300.0,
        "labels": {key: str(value) for key, value in labels.items()},
    }


def _text(template: str, notes: list[str]) -> str:
    text = _VALUE.sub("{value}", _LABEL.sub(r"{\1}", template))
    if "{{" in text:
        notes.append(f"text {template!r}: only $labels and $value are filled in")
    return text


def _seconds(duration: object) -> float:
    if duration in (None, "", 0):
        return 0.0
    try:
        return float(syntax.parse_duration(str(duration)).total_seconds())
    except ValueError as error:
        raise _NoMatchError(f"duration {duration!r}: {error}") from None


def map_expression(expression: str) -> dict[str, Any]:
    """series and when of a rule.

    Raises:
        _NoMatchError: with what does not map.
    """
    try:
        tree = _bare(syntax.parse(expression))
    except ValueError as error:
        raise _NoMatchError(f"not PromQL: {error}") from None
    if not isinstance(tree, syntax.BinaryExpr) or str(tree.op) not in {*_SWAPPED, "!="}:
        raise _NoMatchError(f"{expression!r} compares nothing with a number")
    left, right, op = _bare(tree.lhs), _bare(tree.rhs), str(tree.op)
    if isinstance(left, syntax.NumberLiteral):
        left, right, op = right, left, _SWAPPED.get(op, op)
    limit = _number(right)
    if tree.modifier is not None:
        raise _NoMatchError("bool, on and ignoring have no counterpart")
    if op == "!=":
        raise _NoMatchError("!= has no counterpart; name the bad values with a rule of kind state_change")
    if isinstance(left, syntax.Call):
        return _map_call(left, op, limit)
    if not isinstance(left, syntax.VectorSelector):
        raise _NoMatchError(f"{expression!r} is more than one selector: let a loader capture its left side")
    when: dict[str, Any] = {"kind": "threshold", "op": op, "value": limit}
    if op == "==":
        when = {"kind": "state_change", "bad": [limit]}
    return {"series": _selector(left), "when": when}


def _map_call(call: Any, op: str, limit: float) -> dict[str, Any]:
    name = call.func.name
    argument = _bare(call.args[0]) if call.args else None
    if name not in {"rate", "increase"} or not isinstance(argument, syntax.MatrixSelector) or op == "==":
        raise _NoMatchError(f"{name}() has no counterpart here: let a loader capture it, and compare that")
    over_s = argument.range.total_seconds()
    per_s = 1.0 if name == "rate" else over_s
    when: dict[str, Any] = {
        "kind": "rate",
        "op": op,
        "value": limit,
        "over_s": over_s,
        "per_s": per_s,
        "is_counter": True,
    }
    return {"series": _selector(argument.vector_selector), "when": when}


def _selector(selector: Any) -> dict[str, Any]:
    if selector.offset is not None or selector.at is not None:
        raise _NoMatchError("offset and @ have no counterpart")
    forms = {"Equal": "{}", "NotEqual": "!={}", "Re": "=~{}", "NotRe": "!~{}"}
    labels, metric = {}, selector.name
    for one in selector.matchers.matchers:
        kind = str(one.op).rsplit(".", maxsplit=1)[-1]
        if one.name == "__name__":
            metric = one.value if kind == "Equal" else None
        elif one.name in labels:
            raise _NoMatchError(f"two matchers on {one.name}")
        else:
            labels[one.name] = forms[kind].format(one.value)
    if not metric:
        raise _NoMatchError("the selector names no metric")
    return {"metric": metric, "labels": labels}


def _bare(tree: Any) -> Any:
    while isinstance(tree, syntax.ParenExpr):
        tree = tree.expr
    return tree


def _number(tree: Any) -> float:
    if isinstance(tree, syntax.UnaryExpr):
        return -_number(_bare(tree.expr))
    if not isinstance(tree, syntax.NumberLiteral):
        raise _NoMatchError("the right side is no number")
    return float(tree.val)
