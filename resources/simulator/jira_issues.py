"""What the simulated Jira does with issues: create, show, edit, delete, assign, comment, move, search."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from domain.tickets.document import plain_text
from resources.simulator.jira_checks import check_fields, is_document, search
from resources.simulator.jira_shapes import Reply, failed, names_of, page
from resources.simulator.jira_store import Account, Issue

if TYPE_CHECKING:
    from resources.simulator.jira import FakeJira

Handler = Callable[["FakeJira", Account, dict[str, Any], dict[str, Any]], Reply]


def answer_create(jira: FakeJira, by: Account, _: dict[str, Any], body: dict[str, Any]) -> Reply:
    if jira.lacks("CREATE_ISSUES"):
        return failed("", 400, {"project": "You do not have permission to create issues in this project."})
    fields = body.get("fields") or {}
    if errors := check_fields(jira.store, fields, is_new=True):
        return failed("", 400, errors)
    issue = jira.store.add(by, fields)
    jira.book.write("jira", to=issue.key, text=f"created: {fields['summary']}", priority=issue.priority, fields=fields)
    jira.hear("jira:issue_created", by, issue, issue_event_type_name="issue_created")
    return {name: jira.store.shown(issue)[name] for name in ("id", "key", "self")}, 201


def _with_issue(handler: Callable[[FakeJira, Account, Issue, dict[str, Any], dict[str, Any]], Reply]) -> Handler:
    def handle(jira: FakeJira, by: Account, query: dict[str, Any], body: dict[str, Any]) -> Reply:
        issue = None if jira.lacks("BROWSE_PROJECTS") else jira.store.find(str(query["issue"]))
        if issue is None:
            return failed("Issue does not exist or you do not have permission to see it.", 404)
        return handler(jira, by, issue, query, body)

    return handle


@_with_issue
def answer_show(jira: FakeJira, _: Account, issue: Issue, query: dict[str, Any], __: dict[str, Any]) -> Reply:
    shown = jira.store.shown(issue)
    names = names_of(query)
    if names and not {"*all", "*navigable"} & names:
        shown["fields"] = {name: value for name, value in shown["fields"].items() if name in names}
    return shown, 200


@_with_issue
def answer_edit(jira: FakeJira, by: Account, issue: Issue, _: dict[str, Any], body: dict[str, Any]) -> Reply:
    fields = body.get("fields") or {}
    if jira.lacks("EDIT_ISSUES"):
        return failed("You do not have permission to edit issues in this project.", 403)
    if errors := check_fields(jira.store, fields, is_new=False):
        return failed("", 400, errors)
    for name, value in fields.items():
        if name == "priority":
            before, issue.priority = issue.priority, value["name"]
            jira.store.record(issue, by, name, (None, before), (None, issue.priority))
            jira.book.write("jira", to=issue.key, text=f"priority: {issue.priority}")
        else:
            former, issue.others[name] = issue.others.get(name), value
            jira.store.record(issue, by, name, (None, str(former)), (None, str(value)))
    jira.hear("jira:issue_updated", by, issue, changelog=issue.history[-1])
    return None, 204


@_with_issue
def answer_delete(jira: FakeJira, by: Account, issue: Issue, _: dict[str, Any], __: dict[str, Any]) -> Reply:
    if jira.lacks("DELETE_ISSUES"):
        return failed("You do not have permission to delete issues in this project.", 403)
    del jira.store.issues[issue.key]
    jira.book.write("jira", to=issue.key, text="deleted")
    jira.hear("jira:issue_deleted", by, issue)
    return None, 204


@_with_issue
def answer_assign(jira: FakeJira, by: Account, issue: Issue, _: dict[str, Any], body: dict[str, Any]) -> Reply:
    before, account = issue.assignee, body.get("accountId")
    if account is not None and account not in jira.store.accounts:
        return failed("", 400, {"assignee": "Specify a valid value for assignee"})
    issue.assignee = jira.store.accounts[account] if account else None
    shown = [
        (one.account_id, one.shown("")["displayName"]) if one else (None, None) for one in (before, issue.assignee)
    ]
    jira.store.record(issue, by, "assignee", shown[0], shown[1])
    jira.hear("jira:issue_updated", by, issue, changelog=issue.history[-1])
    return None, 204


@_with_issue
def answer_comments(_: FakeJira, __: Account, issue: Issue, query: dict[str, Any], ___: dict[str, Any]) -> Reply:
    found = issue.comments[::-1] if query.get("orderBy") == "-created" else issue.comments
    return page("comments", found, query), 200


@_with_issue
def answer_comment(_: FakeJira, __: Account, issue: Issue, query: dict[str, Any], ___: dict[str, Any]) -> Reply:
    found = next((one for one in issue.comments if one["id"] == query["comment"]), None)
    return (found, 200) if found else failed("Can not find a comment for the id: " + query["comment"] + ".", 404)


@_with_issue
def answer_add_comment(jira: FakeJira, by: Account, issue: Issue, _: dict[str, Any], body: dict[str, Any]) -> Reply:
    if jira.lacks("ADD_COMMENTS"):
        return failed("You do not have the permission to comment on this issue.", 403)
    if not is_document(body.get("body")):
        return failed("", 400, {"comment": "Comment body is not valid!"})
    one = jira.store.comment(issue, by, body["body"])
    jira.book.write("jira", to=issue.key, text=f"comment: {plain_text(body['body'])}", by=by.email)
    jira.hear("comment_created", by, issue, comment={**one, "body": plain_text(one["body"])})
    return one, 201


@_with_issue
def answer_changelog(_: FakeJira, __: Account, issue: Issue, query: dict[str, Any], ___: dict[str, Any]) -> Reply:
    return page("values", issue.history, query), 200


@_with_issue
def answer_transitions(jira: FakeJira, _: Account, issue: Issue, __: dict[str, Any], ___: dict[str, Any]) -> Reply:
    def shown(number: str, status: str) -> dict[str, Any]:
        asks = status == "Done" and jira.store.asks_resolution
        field = {"required": True, "name": "Resolution", "fieldId": "resolution", "hasDefaultValue": False}
        fields = {"resolution": field} if asks else {}
        return {
            "id": number,
            "name": status,
            "to": jira.store.shown_status(status),
            "hasScreen": asks,
            "isAvailable": True,
            "fields": fields,
        }

    ways = {} if jira.lacks("TRANSITION_ISSUES") else jira.store.ways_from(issue.status)
    return {"transitions": [shown(*one) for one in ways.items()]}, 200


@_with_issue
def answer_move(jira: FakeJira, by: Account, issue: Issue, _: dict[str, Any], body: dict[str, Any]) -> Reply:
    status = jira.store.ways_from(issue.status).get(str((body.get("transition") or {}).get("id")))
    if status is None or jira.lacks("TRANSITION_ISSUES"):
        return failed("It seems that you have tried to perform a workflow operation that is not valid.", 400)
    resolution = ((body.get("fields") or {}).get("resolution") or {}).get("name")
    if status == "Done" and jira.store.asks_resolution and not resolution:
        return failed("", 400, {"resolution": "Resolution is required."})
    jira.store.move(issue, by, status, resolution)
    jira.book.write("jira", to=issue.key, text=f"status: {status}", by=by.email)
    jira.hear("jira:issue_updated", by, issue, changelog=issue.history[-1])
    return None, 204


def answer_search(jira: FakeJira, _: Account, query: dict[str, Any], body: dict[str, Any]) -> Reply:
    asked = {**query, **body}
    found = search(jira.store, str(asked.get("jql", "")))
    if found is None or not asked.get("jql"):
        return failed("Error in the JQL Query.", 400)
    size, start = min(100, int(asked.get("maxResults") or 50)), int(asked.get("nextPageToken") or 0)
    part, names = found[start : start + size], names_of(asked)
    shown = [jira.store.shown(one) for one in part]
    for one in shown if not {"*all", "*navigable"} & names else []:
        one["fields"] = {name: value for name, value in one["fields"].items() if name in names}
    is_last = start + size >= len(found)
    more = {} if is_last else {"nextPageToken": str(start + size)}
    return {"issues": shown, "isLast": is_last, **more}, 200
