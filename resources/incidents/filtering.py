"""Which incidents a list shows, and in which order: filters and sorts as conditions of one query."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.errors import InputDataError
from domain.incidents.view import IncidentState, find_number
from domain.vocabulary import Severity

_OVER = "state IN ('RESOLVED', 'CLOSED')"
_RANK = "array_position(ARRAY['CRITICAL', 'HIGH', 'MEDIUM', 'LOW'], severity)"
_STATE = "array_position(ARRAY['OPEN', 'ACKNOWLEDGED', 'INVESTIGATING', 'REMEDIATING', 'MONITORING', 'RESOLVED', 'CLOSED'], state)"
#: Name → columns with their directions; what ties is ordered by number, the newest first.
_SORTS: dict[str, list[tuple[str, str]]] = {
    "urgency": [(_OVER, "ASC"), (_RANK, "ASC"), ("opened_at", "DESC")],
    "incident": [],
    "opened_at": [("opened_at", "ASC")],
    "last_alert_at": [("last_alert_at", "ASC")],
    "severity": [(_RANK, "ASC")],
    "state": [(_STATE, "ASC")],
    "title": [("lower(title)", "ASC")],
    "service": [("service", "ASC")],
    "assignee": [("assignee", "ASC")],
}
SORTS = tuple(_SORTS)


@dataclass(frozen=True, slots=True)
class IncidentFilter:
    """What is wanted; empty or None leaves it open.

    `text` is part of a title, or a code; `mine` is a user to whom an incident is assigned or who has acknowledged it;
    `is_merged` None shows merged incidents too.
    """

    states: frozenset[IncidentState] = frozenset()
    severities: frozenset[Severity] = frozenset()
    category: str = ""
    service: str = ""
    assignee: str = ""
    mine: str = ""
    text: str = ""
    is_open: bool | None = None
    is_drill: bool | None = None
    is_merged: bool | None = None
    opened_from: datetime | None = None
    opened_until: datetime | None = None


def conditions_of(wanted: IncidentFilter) -> tuple[str, dict[str, Any]]:
    """What stands after WHERE, and its values."""
    asked: dict[str, tuple[str, Any]] = {
        "states": ("state = ANY(:states)", [one.value for one in wanted.states] or None),
        "severities": ("severity = ANY(:severities)", [one.value for one in wanted.severities] or None),
        "category": ("category = :category", wanted.category or None),
        "service": ("service = :service", wanted.service or None),
        "assignee": ("assignee = :assignee", wanted.assignee or None),
        "mine": ("(assignee = :mine OR acknowledged_by = :mine)", wanted.mine or None),
        "text": ("(position(lower(:text) in lower(title)) > 0 OR incident_id = :named)", wanted.text or None),
        "is_open": (f"({_OVER}) <> :is_open", wanted.is_open),
        "is_drill": ("is_drill = :is_drill", wanted.is_drill),
        "is_merged": ("(merged_into IS NOT NULL) = :is_merged", wanted.is_merged),
        "opened_from": ("opened_at >= :opened_from", wanted.opened_from),
        "opened_until": ("opened_at < :opened_until", wanted.opened_until),
    }
    used = {name: found for name, found in asked.items() if found[1] is not None}
    values = {name: value for name, (_, value) in used.items()}
    where = " AND ".join(clause for clause, _ in used.values()) or "true"
    return where, {**values, "named": find_number(wanted.text) or 0}


def order_of(sort: str) -> str:
    """What stands after ORDER BY.

    Raises:
        InputDataError: an unknown sort.
    """
    name = sort.removeprefix("-")
    if name not in _SORTS:
        raise InputDataError(
            f"sort: {sort!r} is unknown", suggestion=f"sort by one of {', '.join(SORTS)}, `-` reverses"
        )
    is_reversed = sort.startswith("-")
    turned = {"ASC": "DESC", "DESC": "ASC"}
    columns = [(column, turned[way] if is_reversed else way) for column, way in _SORTS[name]]
    last = "DESC" if (name != "incident") != is_reversed else "ASC"
    return ", ".join(f"{column} {way} NULLS LAST" for column, way in [*columns, ("incident_id", last)])
