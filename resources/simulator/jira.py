"""A Jira of our own: the part of REST v3 that tickets need, and its webhooks. Whoever logs in by a mail address is somebody.

Answers have the shape of the published reference; the official client library is run against it in the tests.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import threading
from typing import Any

import orjson
import requests

from resources.simulator import jira_issues as issues
from resources.simulator import jira_meta as meta
from resources.simulator.jira_shapes import Reply, failed
from resources.simulator.jira_store import Account, Issue, JiraStore
from resources.simulator.process_log import write_log
from resources.simulator.received import ReceivedBook

SIMULATED_JIRA_TOKEN = "simulated-jira-token"  # noqa: S105 - of nobody's account
SIMULATED_JIRA_SECRET = "simulated-jira-webhook-secret"  # noqa: S105 - the same


class FakeJira:
    """Takes requests as (method, path, query, body); `webhook_url` hears of what happened, signed with `webhook_secret`."""

    def __init__(
        self,
        book: ReceivedBook,
        store: JiraStore,
        *,
        webhook_url: str = "",
        webhook_secret: str = SIMULATED_JIRA_SECRET,
    ) -> None:
        self.store = store
        self.book = book
        self.webhook_url, self.webhook_secret = webhook_url, webhook_secret
        self._lock = threading.RLock()

    def take(self, method: str, path: str, query: dict[str, Any], body: bytes, authorization: str) -> Reply:
        """One request; the answer and its status."""
        by = self._login(authorization)
        if by is None:
            return failed("Client must be authenticated to access this resource.", 401)
        try:
            document = orjson.loads(body) if body else {}
        except orjson.JSONDecodeError:
            return failed("There was an error parsing JSON. Check that your request body is valid.", 400)
        where = path.replace("/rest/api/latest/", "/rest/api/3/", 1)
        for wanted, pattern, handler in _ROUTES:
            found = re.fullmatch(pattern, where)
            if wanted == method and found:
                with self._lock:
                    return handler(self, by, {**query, **found.groupdict()}, document)
        return failed("null for uri: " + path, 404)

    def hear(self, event: str, by: Account, issue: Issue, **more: Any) -> None:
        """Tell the webhook, from a thread of its own."""
        if not self.webhook_url:
            return
        payload = {
            "timestamp": int(self.store.now_s() * 1000),
            "webhookEvent": event,
            "user": by.shown(self.store.base_url),
            "issue": self.store.shown(issue),
            **more,
        }
        number = self.store.next_mark()
        threading.Thread(
            target=self._post, args=(orjson.dumps(payload), number), name="jira-webhook", daemon=True
        ).start()

    def _post(self, body: bytes, number: str) -> None:
        signature = hmac.new(self.webhook_secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json; charset=UTF-8",
            "X-Hub-Signature": f"sha256={signature}",
            "X-Atlassian-Webhook-Identifier": f"webhook-{number}",
            "X-Atlassian-Webhook-Flow": "Primary",
        }
        try:
            with requests.Session() as session:
                session.trust_env = False
                session.post(self.webhook_url, data=body, headers=headers, timeout=10)
        except requests.RequestException as error:
            write_log("simulated Jira could not reach the platform", level="WARNING", reason=type(error).__name__)

    def _login(self, authorization: str) -> Account | None:
        kind, _, value = authorization.partition(" ")
        try:
            user, _, token = (
                base64.b64decode(value).decode().partition(":") if kind == "Basic" else ("etlmon", "", value)
            )
        except (ValueError, UnicodeDecodeError):
            return None
        return self.store.account(user) if token == SIMULATED_JIRA_TOKEN and user else None

    def lacks(self, permission: str) -> bool:
        """Whether nobody has it."""
        return permission in self.store.denied


_ISSUE = r"/rest/api/3/issue/(?P<issue>[A-Za-z0-9_-]+)"
_ROUTES: tuple[tuple[str, str, issues.Handler], ...] = (
    ("GET", "/rest/api/3/serverInfo", meta.answer_server_info),
    ("GET", "/rest/api/3/myself", meta.answer_myself),
    ("GET", "/rest/api/3/mypermissions", meta.answer_permissions),
    ("GET", r"/rest/api/3/project/(?P<project>\w+)", meta.answer_project),
    ("GET", r"/rest/api/3/project/(?P<project>\w+)/statuses", meta.answer_statuses),
    ("GET", r"/rest/api/3/issue/createmeta/(?P<project>\w+)/issuetypes", meta.answer_issue_types),
    ("GET", r"/rest/api/3/issue/createmeta/(?P<project>\w+)/issuetypes/\d+", meta.answer_issue_fields),
    ("GET", "/rest/api/3/field", meta.answer_fields),
    ("GET", "/rest/api/3/search/jql", issues.answer_search),
    ("POST", "/rest/api/3/search/jql", issues.answer_search),
    ("POST", "/rest/api/3/issue", issues.answer_create),
    ("GET", _ISSUE, issues.answer_show),
    ("PUT", _ISSUE, issues.answer_edit),
    ("DELETE", _ISSUE, issues.answer_delete),
    ("PUT", f"{_ISSUE}/assignee", issues.answer_assign),
    ("GET", f"{_ISSUE}/comment", issues.answer_comments),
    ("GET", f"{_ISSUE}/comment/(?P<comment>[0-9]+)", issues.answer_comment),
    ("POST", f"{_ISSUE}/comment", issues.answer_add_comment),
    ("GET", f"{_ISSUE}/changelog", issues.answer_changelog),
    ("GET", f"{_ISSUE}/transitions", issues.answer_transitions),
    ("POST", f"{_ISSUE}/transitions", issues.answer_move),
)
