"""What Jira's JSON means: issues, histories, comments, transitions, errors. Whatever is missing or odd becomes an empty value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import orjson

from domain.tickets.document import plain_text
from domain.tickets.ticket import Change, Person, Remark, Ticket, Transition

_NUMBER = re.compile(r"[0-9]{1,18}")


def parse_ticket(answer: object) -> Ticket:
    """An issue with the fields status, priority, assignee, labels, updated."""
    issue = _object(answer)
    fields = _object(issue.get("fields"))
    return Ticket(
        key=str(issue.get("key", "")),
        ticket_id=str(issue.get("id", "")),
        status=str(_object(fields.get("status")).get("name", "")),
        priority=_name(fields.get("priority"), "name"),
        assignee=_name(fields.get("assignee"), "displayName"),
        labels=tuple(str(one) for one in _list(fields.get("labels"))),
        updated=str(fields.get("updated", "")),
    )


def parse_changes(entries: Sequence[object]) -> tuple[Change, ...]:
    """A page of a changelog, oldest first: one change per field."""
    return tuple(
        Change(
            author=_person(entry.get("author")),
            what=str(item.get("fieldId") or item.get("field", "")),
            to_id=str(item.get("to") or ""),
            to=str(item.get("toString") or ""),
        )
        for entry in map(_object, entries)
        for item in map(_object, _list(entry.get("items")))
    )


def parse_remarks(comments: Sequence[object]) -> tuple[Remark, ...]:
    """Comments in any order; the answer is oldest first."""
    found = [
        Remark(int(one["id"]), _person(one.get("author")), plain_text(one.get("body")))
        for one in map(_object, comments)
        if _NUMBER.fullmatch(str(one.get("id", "")))
    ]
    return tuple(sorted(found, key=lambda one: one.remark_id))


def parse_transition(answer: object) -> Transition:
    """A transition with its fields expanded."""
    one = _object(answer)
    fields = _object(one.get("fields"))
    missing = [
        str(field.get("name") or name)
        for name, field in ((name, _object(value)) for name, value in fields.items())
        if field.get("required") and not field.get("hasDefaultValue") and name != "resolution"
    ]
    to = str(_object(one.get("to")).get("name", ""))
    return Transition(str(one.get("id", "")), str(one.get("name", "")), to, "resolution" in fields, tuple(missing))


def explain(body: bytes) -> str:
    """The words of an error: `errorMessages`, then `errors` field by field."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body[:300].decode("utf-8", "replace") or "no explanation"
    answer = _object(answer)
    messages = [str(one) for one in _list(answer.get("errorMessages"))]
    messages += [f"{name}: {words}" for name, words in _object(answer.get("errors")).items()]
    return "; ".join(messages) or str(answer.get("message") or "no explanation")


def _person(value: object) -> Person:
    one = _object(value)
    return Person(str(one.get("accountId", "")), str(one.get("displayName", "")))


def _name(value: object, field: str) -> str | None:
    found = _object(value).get(field)
    return found if isinstance(found, str) else None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
