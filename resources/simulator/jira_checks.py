"""What the simulated Jira refuses, in the shape of its answers: `errorMessages` and `errors` field by field; and its small JQL."""

from __future__ import annotations

import re
from typing import Any

from resources.simulator.jira_store import PRIORITIES, Issue, JiraStore

KNOWN_FIELDS = (
    "project",
    "issuetype",
    "summary",
    "description",
    "labels",
    "priority",
    "assignee",
    "reporter",
    "duedate",
    "environment",
)
_CLAUSE = re.compile(r'\s*(labels|project|updated|key)\s*(=|>=)\s*"?([^"]*?)"?\s*$', re.IGNORECASE)


def check_fields(store: JiraStore, fields: dict[str, Any], *, is_new: bool) -> dict[str, str]:
    """Field → what is wrong; empty when all is well."""
    errors: dict[str, str] = {}
    if is_new:
        if (fields.get("project") or {}).get("key") != store.project:
            errors["project"] = "Specify a valid project ID or key"
        if (fields.get("issuetype") or {}).get("name") not in store.issue_types:
            errors["issuetype"] = "Specify a valid issue type"
        if not str(fields.get("summary") or "").strip():
            errors["summary"] = "You must specify a summary of the issue."
        for name, one in store.own_fields.items():
            if one.get("required") and not fields.get(name):
                errors[name] = f"{one['name']} is required."
    return errors | _check_values(store, fields)


def _check_values(store: JiraStore, fields: dict[str, Any]) -> dict[str, str]:
    errors = {
        name: f"Field '{name}' cannot be set. It is not on the appropriate screen, or unknown."
        for name in fields
        if name not in KNOWN_FIELDS and name not in store.own_fields
    }
    summary = str(fields.get("summary") or "")
    if "\n" in summary or len(summary) > 255:
        errors["summary"] = "The summary is invalid because it contains newline characters or is too long."
    if "description" in fields and not is_document(fields["description"]):
        errors["description"] = "Operation value must be an Atlassian Document (see the Atlassian Document Format)"
    if any(not isinstance(one, str) or re.search(r"\s", one) for one in fields.get("labels") or []):
        errors["labels"] = "The label contains spaces which is invalid."
    if "priority" in fields and (fields["priority"] or {}).get("name") not in PRIORITIES:
        errors["priority"] = "Specify a valid 'id' or 'name' for Priority"
    return errors


def is_document(value: Any) -> bool:
    """Version 1 of the document format, with a type in every node and no empty text."""
    if not isinstance(value, dict) or value.get("type") != "doc" or value.get("version") != 1:
        return False
    waiting = list(value.get("content") or [])
    while waiting:
        node = waiting.pop()
        if not isinstance(node, dict) or not isinstance(node.get("type"), str):
            return False
        if node["type"] == "text" and not node.get("text"):
            return False
        waiting += node.get("content") or []
    return True


def search(store: JiraStore, jql: str) -> list[Issue] | None:
    """Issues of a query of `labels =`, `project =`, `key =`, `updated >= "-5m"`, joined by AND; None: not understood."""
    query, _, order = jql.partition(" ORDER BY ")
    found = [one for one in store.issues.values() if one.updated_s <= store.now_s() - store.index_lag_s]
    for clause in re.split(r"\s+AND\s+", query.strip(), flags=re.IGNORECASE):
        match = _CLAUSE.match(clause)
        if match is None:
            return None
        name, value = match[1].lower(), match[3]
        if name == "updated" and not re.fullmatch(r"-\d+m", value):
            return None
        found = [one for one in found if _fits(store, one, name, value)]
    name = order.split()[0].lower() if order else "created"
    found.sort(key=lambda one: one.updated_s if name == "updated" else one.created_s)
    return found[::-1] if order.upper().endswith("DESC") else found


def _fits(store: JiraStore, issue: Issue, name: str, value: str) -> bool:
    if name == "labels":
        return value in issue.others.get("labels", [])
    if name == "updated":
        return issue.updated_s >= store.now_s() - 60 * int(value[1:-1])
    return value in {issue.key, store.project} if name == "project" else value == issue.key
