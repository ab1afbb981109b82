"""A loader version as its page shows it: readable parts of the protected document, and what the reader may do with it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any

import orjson
from croniter import croniter

from domain.access.permissions import Caller
from domain.errors import EtlmonError
from domain.loaders.definition import LoaderDefinition
from domain.loaders.lifecycle import Action, VersionFacts, decide_transition, list_actions

_KINDS = ("prometheus", "elasticsearch", "log_lines", "sql", "push")
#: In the order in which a person thinks of them.
_TITLES = {
    Action.SUBMIT: "Submit for approval",
    Action.APPROVE: "Approve",
    Action.REJECT: "Reject",
    Action.EDIT: "Edit",
    Action.WITHDRAW: "Withdraw",
    Action.DISCARD: "Discard",
    Action.ROLLBACK: "Roll back to this",
}
_PRIMARY = {Action.SUBMIT, Action.APPROVE}
_DANGEROUS = {Action.DISCARD, Action.REJECT}


@dataclass(frozen=True, slots=True)
class Choice:
    """A button, or the reason why it is none."""

    action: Action
    title: str
    why_not: str = ""
    style: str = ""


@dataclass(frozen=True, slots=True)
class QueryView:
    """One query: what it yields, its text with a language, and the facts around it."""

    name: str
    title: str
    code: str
    language: str
    facts: Sequence[tuple[str, str]]


def list_choices(facts: VersionFacts, siblings: Iterable[VersionFacts], *, caller: Caller) -> list[Choice]:
    """Every action that the state leaves open; where this reader may not, why. The rules themselves decide."""
    others = [one for one in siblings if one.version != facts.version]
    found = []
    for action in _open_actions(facts, caller):
        style = "primary" if action in _PRIMARY else "danger" if action in _DANGEROUS else ""
        try:
            decide_transition(
                action, facts, caller=caller, others=others, content_hash=facts.content_hash, reason="as asked"
            )
        except EtlmonError as error:
            found.append(Choice(action, _TITLES[action], _sentence(error, caller), style))
        else:
            found.append(Choice(action, _TITLES[action], style=style))
    return found


def _open_actions(facts: VersionFacts, caller: Caller) -> list[Action]:
    """In the order in which a person thinks of them."""
    open_here = sorted(list_actions(facts), key=list(_TITLES).index)
    return [one for one in open_here if one is not Action.WITHDRAW or facts.submitted_by == caller.username]


def _sentence(error: EtlmonError, caller: Caller) -> str:
    """The rule's reason, said to the one who reads it."""
    reason = error.reason.replace(f"{caller.role.value} {caller.username} may", "Your role may")
    for verb in ("submitted", "wrote"):
        if error.reason.startswith(f"{caller.username} {verb}"):
            return f"You {verb} this version: somebody else has to approve it."
    return f"{reason[:1].upper()}{reason[1:]}."


def list_queries(shown: Mapping[str, Any]) -> list[QueryView]:
    """The queries of a protected document, in its order."""
    return [_query(kind, one) for kind in _KINDS for one in shown.get(kind) or []]


def _query(kind: str, one: Mapping[str, Any]) -> QueryView:
    code, language = _code(kind, one)
    facts = [
        ("Unit", str(one.get("unit") or "")),
        ("Kind", str(one.get("kind") or "")),
        ("Labels kept", ", ".join(one.get("labels") or []) or ("all" if kind != "log_lines" else "")),
        ("Limit", _limit(one.get("limit"))),
        ("Index", str(one.get("index") or "")),
        ("Value", str(one.get("value") or one.get("value_column") or "")),
        ("Time", str(one.get("timestamp_field") or one.get("time_column") or "")),
    ]
    name = str(one.get("metric_name") or "log lines")
    return QueryView(name, str(one.get("title") or ""), code, language, [fact for fact in facts if fact[1]])


def _code(kind: str, one: Mapping[str, Any]) -> tuple[str, str]:
    if kind in {"prometheus", "sql"}:
        return str(one.get("promql") or one.get("sql") or "").strip(), "promql" if kind == "prometheus" else "sql"
    parts = {name: one[name] for name in ("query", "aggregations") if one.get(name)}
    return (orjson.dumps(parts, option=orjson.OPT_INDENT_2).decode(), "json") if parts else ("", "")


def _limit(limit: Any) -> str:
    if not isinstance(limit, Mapping):
        return ""
    return f"{limit.get('value')}, warned at {limit.get('warn_at_pct')} %, {limit.get('lead_time_days')} days lead time"


def fill_hidden(shown: Mapping[str, Any]) -> dict[str, Any]:
    """The protected document with None where a field is hidden: a page says nothing of it, and does not break."""
    return {**dict.fromkeys(LoaderDefinition.model_fields), **shown}


def compute_next_tick(schedule: str, now: datetime) -> datetime:
    """The next instant at which a window ends, UTC."""
    tick: datetime = croniter(schedule, now.astimezone(UTC)).get_next(datetime)
    return tick


def side_by_side(lines: Iterable[str]) -> list[tuple[str | None, str | None, bool]]:
    """Old line, new line, whether they differ: from a unified difference. None where one side has no line."""
    rows: list[tuple[str | None, str | None, bool]] = []
    old: list[str] = []
    new: list[str] = []

    def flush() -> None:
        rows.extend((was, became, True) for was, became in zip_longest(old, new))
        old.clear()
        new.clear()

    for line in lines:
        mark, text = line[:1], line[1:]
        if mark == "-":
            old.append(text)
        elif mark == "+":
            new.append(text)
        else:
            flush()
            rows.append(("…", "…", False) if mark == "@" else (text, text, False))
    flush()
    return rows
