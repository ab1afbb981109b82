"""What the simulated Jira says of itself: who is asking, what he may do, projects, issue types, fields for creating an issue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resources.simulator.jira_checks import KNOWN_FIELDS
from resources.simulator.jira_shapes import Reply, failed
from resources.simulator.jira_store import PERMISSIONS, PRIORITIES, Account

if TYPE_CHECKING:
    from resources.simulator.jira import FakeJira


def answer_server_info(jira: FakeJira, _: Account, __: dict[str, Any], ___: dict[str, Any]) -> Reply:
    numbers = {"version": "1001.0.0-SNAPSHOT", "versionNumbers": [1001, 0, 0], "buildNumber": 100_000}
    return {"baseUrl": jira.store.base_url, "deploymentType": "Cloud", **numbers}, 200


def answer_myself(jira: FakeJira, by: Account, _: dict[str, Any], __: dict[str, Any]) -> Reply:
    return by.shown(jira.store.base_url), 200


def answer_permissions(jira: FakeJira, _: Account, query: dict[str, Any], __: dict[str, Any]) -> Reply:
    asked = str(query.get("permissions", "")).split(",")
    if unknown := [one for one in asked if one not in PERMISSIONS]:
        return failed(f"Unrecognized permission: {unknown[0]}", 400)
    if query.get("projectKey", jira.store.project) != jira.store.project:
        return failed("No project could be found with that key.", 404)
    found = {one: {"key": one, "type": "PROJECT", "havePermission": not jira.lacks(one)} for one in asked}
    return {"permissions": found}, 200


def answer_project(jira: FakeJira, _: Account, query: dict[str, Any], __: dict[str, Any]) -> Reply:
    if query["project"] != jira.store.project:
        return failed(f"No project could be found with key '{query['project']}'.", 404)
    where = f"{jira.store.base_url}/rest/api/3/project/10000"
    return {"self": where, "id": "10000", "key": jira.store.project, "name": jira.store.project}, 200


def answer_fields(jira: FakeJira, _: Account, __: dict[str, Any], ___: dict[str, Any]) -> Reply:
    own = [
        {"id": name, "key": name, "name": one["name"], "custom": True, "clauseNames": [one["name"]]}
        for name, one in jira.store.own_fields.items()
    ]
    return [{"id": name, "key": name, "name": name.title(), "custom": False} for name in KNOWN_FIELDS] + own, 200


def answer_statuses(jira: FakeJira, by: Account, query: dict[str, Any], body: dict[str, Any]) -> Reply:
    project, status = answer_project(jira, by, query, body)
    if status != 200:
        return project, status
    known = list(dict.fromkeys(["To Do", *jira.store.transitions.values()]))
    return [
        {"id": str(10_100 + at), "name": name, "statuses": [jira.store.shown_status(one) for one in known]}
        for at, name in enumerate(jira.store.issue_types)
    ], 200


def answer_issue_types(jira: FakeJira, by: Account, query: dict[str, Any], body: dict[str, Any]) -> Reply:
    project, status = answer_project(jira, by, query, body)
    if status != 200:
        return project, status
    types = [{"id": str(10_100 + at), "name": name, "subtask": False} for at, name in enumerate(jira.store.issue_types)]
    return {"issueTypes": types, "maxResults": 50, "startAt": 0, "total": len(types)}, 200


def answer_issue_fields(jira: FakeJira, _: Account, __: dict[str, Any], ___: dict[str, Any]) -> Reply:
    basic = {
        "project": ("Project", True),
        "issuetype": ("Issue Type", True),
        "summary": ("Summary", True),
        "description": ("Description", False),
        "labels": ("Labels", False),
        "priority": ("Priority", False),
    }
    fields = [
        {"fieldId": name, "key": name, "name": shown, "required": is_required, "hasDefaultValue": False}
        for name, (shown, is_required) in basic.items()
    ]
    fields[-1]["allowedValues"] = [{"id": str(at), "name": name} for at, name in enumerate(PRIORITIES, 1)]
    fields += [
        {"fieldId": name, "key": name, "required": False, "hasDefaultValue": False, **one}
        for name, one in jira.store.own_fields.items()
    ]
    return {"fields": fields, "maxResults": 50, "startAt": 0, "total": len(fields)}, 200
