"""The shape of the simulated Jira's answers: errors, pages, the fields that were asked for."""

from __future__ import annotations

from typing import Any

Reply = tuple[Any, int]


def failed(message: str, status: int, errors: dict[str, str] | None = None) -> Reply:
    """A refusal: a message, or what is wrong with which field."""
    return {"errorMessages": [message] if message else [], "errors": errors or {}}, status


def names_of(query: dict[str, Any]) -> set[str]:
    """The fields that were asked for, as a list or separated by commas."""
    given = query.get("fields") or ""
    pieces = given if isinstance(given, list) else str(given).split(",")
    return {one for one in pieces if one}


def page(name: str, items: list[Any], query: dict[str, Any]) -> dict[str, Any]:
    """One page by startAt and maxResults."""
    start, size = int(query.get("startAt") or 0), min(100, int(query.get("maxResults") or 50))
    part = items[start : start + size]
    return {name: part, "startAt": start, "maxResults": size, "total": len(items), "isLast": start + size >= len(items)}
