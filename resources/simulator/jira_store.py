"""The state of the simulated Jira: issues with history and comments, a small workflow, who may do what. In memory; the caller locks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

STATUSES = {"To Do": "10000", "In Progress": "10001", "Done": "10002"}
_CATEGORIES = {"To Do": "new", "In Progress": "indeterminate", "Done": "done"}
TRANSITIONS = {"11": "To Do", "21": "In Progress", "31": "Done"}
PRIORITIES = ("Highest", "High", "Medium", "Low", "Lowest")
PERMISSIONS = (
    "BROWSE_PROJECTS",
    "CREATE_ISSUES",
    "EDIT_ISSUES",
    "ADD_COMMENTS",
    "TRANSITION_ISSUES",
    "ASSIGN_ISSUES",
    "DELETE_ISSUES",
)


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody: whatever name logs in is one."""

    email: str

    @property
    def account_id(self) -> str:
        """Always the same for a name."""
        return f"557058:{hashlib.sha256(self.email.encode()).hexdigest()[:24]}"

    def shown(self, base_url: str) -> dict[str, Any]:
        """As Jira shows a user."""
        name = self.email.partition("@")[0].replace(".", " ").title()
        return {
            "self": f"{base_url}/rest/api/3/user?accountId={self.account_id}",
            "accountId": self.account_id,
            "accountType": "atlassian",
            "emailAddress": self.email,
            "displayName": name,
            "active": True,
            "timeZone": "Etc/UTC",
        }


@dataclass(slots=True)
class Issue:
    """One ticket. Fields that have a shape of their own are attributes, everything else stays as it was given."""

    number: int
    key: str
    reporter: Account
    created_s: float
    updated_s: float
    status: str = "To Do"
    priority: str = "Medium"
    resolution: str | None = None
    assignee: Account | None = None
    others: dict[str, Any] = field(default_factory=dict)
    comments: list[dict[str, Any]] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def issue_id(self) -> str:
        """The number that never changes."""
        return str(10_000 + self.number)


@dataclass(slots=True)
class JiraStore:
    """One project. `index_lag_s`: how long a new or changed issue is missing in searches; `denied`: permissions nobody has;
    `workflow`: where a status leads, everywhere if it is not named.
    """

    base_url: str
    now_s: Callable[[], float]
    project: str = "ETLOPS"
    issue_types: tuple[str, ...] = ("Incident", "Task")
    own_fields: dict[str, dict[str, Any]] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    index_lag_s: float = 0.0
    asks_resolution: bool = True
    transitions: dict[str, str] = field(default_factory=lambda: dict(TRANSITIONS))
    workflow: dict[str, set[str]] = field(default_factory=dict)
    issues: dict[str, Issue] = field(default_factory=dict)
    former_keys: dict[str, str] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    _numbers: int = 0
    _marks: int = 100_000

    def ways_from(self, status: str) -> dict[str, str]:
        """Transitions out of a status: number → the status it leads to."""
        allowed = self.workflow.get(status)
        return {
            number: to for number, to in self.transitions.items() if to != status and (allowed is None or to in allowed)
        }

    def account(self, email: str) -> Account:
        """Who logs in by that name."""
        one = Account(email)
        self.accounts[one.account_id] = one
        return one

    def next_mark(self) -> str:
        """Number of a comment or an entry of a history."""
        self._marks += 1
        return str(self._marks)

    def add(self, by: Account, fields: dict[str, Any]) -> Issue:
        """A new issue of fields that were checked."""
        self._numbers += 1
        now = self.now_s()
        issue = Issue(self._numbers, f"{self.project}-{self._numbers}", by, now, now)
        issue.priority = (fields.get("priority") or {}).get("name", "Medium")
        issue.others = {name: value for name, value in fields.items() if name not in {"priority", "project"}}
        self.issues[issue.key] = issue
        return issue

    def find(self, name: str) -> Issue | None:
        """By key, a key that it had before, or id."""
        key = self.former_keys.get(name.upper(), name.upper())
        return self.issues.get(key) or next((one for one in self.issues.values() if one.issue_id == name), None)

    def rename(self, issue: Issue, key: str) -> None:
        """Move it to another project: it has another key, and is still found by the old one."""
        del self.issues[issue.key]
        self.former_keys[issue.key] = key
        issue.key = key
        self.issues[key] = issue

    def record(self, issue: Issue, by: Account, what: str, before: tuple[Any, Any], after: tuple[Any, Any]) -> None:
        """An entry of its history; values are (id, shown)."""
        issue.updated_s = self.now_s()
        item = {
            "field": what,
            "fieldtype": "jira",
            "fieldId": what,
            "from": before[0],
            "fromString": before[1],
            "to": after[0],
            "toString": after[1],
        }
        entry = {
            "id": self.next_mark(),
            "author": by.shown(self.base_url),
            "created": iso(self.now_s()),
            "items": [item],
        }
        issue.history.append(entry)

    def move(self, issue: Issue, by: Account, status: str, resolution: str | None) -> None:
        """Along the workflow."""
        before, issue.status = issue.status, status
        issue.resolution = (resolution or "Done") if status == "Done" else None
        self.record(issue, by, "status", (STATUSES.get(before), before), (STATUSES.get(status), status))

    def comment(self, issue: Issue, by: Account, body: Any) -> dict[str, Any]:
        """A comment; its document."""
        issue.updated_s = self.now_s()
        number, at = self.next_mark(), iso(self.now_s())
        one = {
            "self": f"{self.base_url}/rest/api/3/issue/{issue.issue_id}/comment/{number}",
            "id": number,
            "author": by.shown(self.base_url),
            "updateAuthor": by.shown(self.base_url),
            "body": body,
            "created": at,
            "updated": at,
            "jsdPublic": True,
        }
        issue.comments.append(one)
        return one

    def shown(self, issue: Issue) -> dict[str, Any]:
        """As Jira shows an issue."""
        assignee = issue.assignee.shown(self.base_url) if issue.assignee else None
        fields = {
            **issue.others,
            "project": {"id": "10000", "key": self.project, "name": self.project},
            "status": self.shown_status(issue.status),
            "priority": {"id": str(PRIORITIES.index(issue.priority) + 1), "name": issue.priority},
            "resolution": {"name": issue.resolution} if issue.resolution else None,
            "assignee": assignee,
            "reporter": issue.reporter.shown(self.base_url),
            "labels": issue.others.get("labels", []),
            "created": iso(issue.created_s),
            "updated": iso(issue.updated_s),
        }
        where = f"{self.base_url}/rest/api/3/issue/{issue.issue_id}"
        return {"expand": "", "id": issue.issue_id, "self": where, "key": issue.key, "fields": fields}

    def shown_status(self, name: str) -> dict[str, Any]:
        """As Jira shows a status."""
        return {
            "self": f"{self.base_url}/rest/api/3/status/{STATUSES.get(name, '10009')}",
            "id": STATUSES.get(name, "10009"),
            "name": name,
            "statusCategory": {"key": _CATEGORIES.get(name, "indeterminate")},
        }


def iso(at_s: float) -> str:
    """`2026-01-03T14:23:05.000+0000`."""
    at = datetime.fromtimestamp(at_s, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}+0000"
