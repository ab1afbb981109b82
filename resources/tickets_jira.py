"""Jira Cloud, REST API v3 (H1): one request per call, behind a breaker of its own; its answers and refusals in our words.

Reference: https://developer.atlassian.com/cloud/jira/platform/rest/v3/ . The official client is not used: it has no total
deadline, no limit on the size of an answer, and takes texts where v3 wants documents. Tests ask the simulated Jira by it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

import orjson
from pydantic import SecretStr

from domain.notification.message import DeliveryDelayedError, DeliveryRefusedError
from domain.tickets.ticket import Draft, News, Remark, Ticket, TicketGoneError, Transition
from resources.delivery_http import DeliveryHttp, Provider, refuse
from resources.jira_answers import explain, parse_changes, parse_remarks, parse_ticket, parse_transition
from resources.outgoing_http import HttpReply
from resources.secret_registry import mask_secrets, register_secret

T = TypeVar("T")
_API = "/rest/api/3"
_FIELDS = "status,priority,assignee,labels,updated"
_PAGE = 100
_PAGES = 100
_MAX_ANSWER = 8 << 20  # a page of long comments


@dataclass(frozen=True, slots=True)
class JiraSite:
    """Where it is and who we are: user (mail address) and API token, or without a user a bearer token."""

    base_url: str
    token: SecretStr
    user: str | None = None
    timeout_s: float = 10.0


class TicketsJira:
    """A `TicketDesk`. Keeps its connections; safe to share between threads."""

    def __init__(self, site: JiraSite, *, project: str, issue_type: str) -> None:
        self._http = DeliveryHttp(Provider("jira", site.base_url.rstrip("/"), site.timeout_s), _MAX_ANSWER)
        self._headers = {"Accept": "application/json", "Authorization": _authorization(site)}
        self._project, self._issue_type = project, issue_type
        self._account = ""

    def own_account(self) -> str:
        """See `TicketDesk`."""
        self._account = self._account or str(self.get("/myself")["accountId"])
        return self._account

    def sees_project(self) -> bool:
        """See `TicketDesk`."""
        try:
            return bool(self.get(f"/project/{quote(self._project, safe='')}"))
        except TicketGoneError:
            return False

    def create(self, draft: Draft) -> Ticket:
        """See `TicketDesk`."""
        fields: dict[str, Any] = {
            "project": {"key": self._project},
            "issuetype": {"name": self._issue_type},
            "summary": draft.summary,
            "description": draft.description,
            "labels": list(draft.labels),
            **({"priority": {"name": draft.priority}} if draft.priority else {}),
            **{name: value for name, value in draft.fields.items() if value is not None},
        }
        answer = self.send("POST", "/issue", {"fields": fields})
        return Ticket(str(answer["key"]), str(answer["id"]), "", draft.priority, None, draft.labels, "")

    def find(self, label: str) -> list[Ticket]:
        """See `TicketDesk`."""
        return self._search(f'project = "{self._project}" AND labels = "{label}" ORDER BY created ASC')

    def changed_within(self, label: str, *, minutes: int) -> list[Ticket]:
        """See `TicketDesk`. Minutes back from Jira's own clock, so that neither clocks nor time zones have to agree."""
        return self._search(f'labels = "{label}" AND updated >= "-{minutes}m" ORDER BY updated ASC')

    def read_news(self, key: str, *, seen_changes: int, seen_remark: int) -> News:
        """See `TicketDesk`."""
        where = f"/issue/{quote(key, safe='')}"
        ticket = parse_ticket(self.get(where, fields=_FIELDS))
        entries = [one for page in self._pages(f"{where}/changelog", "values", seen_changes) for one in page]
        remarks: list[Remark] = []
        for page in self._pages(f"{where}/comment", "comments", 0, orderBy="-created"):
            remarks += parse_remarks(page)
            if not remarks or min(one.remark_id for one in remarks) <= seen_remark:
                break
        remarks.sort(key=lambda one: one.remark_id)
        return News(ticket, parse_changes(entries), tuple(remarks), seen_changes + len(entries))

    def set_priority(self, key: str, priority: str) -> None:
        """See `TicketDesk`."""
        self.send("PUT", f"/issue/{quote(key, safe='')}", {"fields": {"priority": {"name": priority}}})

    def comment(self, key: str, body: Mapping[str, Any]) -> int:
        """See `TicketDesk`."""
        return int(self.send("POST", f"/issue/{quote(key, safe='')}/comment", {"body": body})["id"])

    def list_transitions(self, key: str) -> list[Transition]:
        """See `TicketDesk`."""
        answer = self.get(f"/issue/{quote(key, safe='')}/transitions", expand="transitions.fields")
        return [parse_transition(one) for one in answer.get("transitions", [])]

    def list_statuses(self, issue_type: str) -> list[str]:
        """Names of the statuses that tickets of this type can have."""
        where = f"/project/{quote(self._project, safe='')}/statuses"
        types = self._read(self._http.exchange("GET", _API + where, headers=self._headers), "nothing was changed", list)
        ours = [one for one in types if isinstance(one, dict) and one.get("name") == issue_type]
        return [str(status.get("name", "")) for one in ours for status in one.get("statuses") or []]

    def move(self, key: str, transition: Transition, *, resolution: str | None) -> None:
        """See `TicketDesk`."""
        wanted: dict[str, Any] = {"transition": {"id": transition.transition_id}}
        if resolution and transition.has_resolution:
            wanted["fields"] = {"resolution": {"name": resolution}}
        self.send("POST", f"/issue/{quote(key, safe='')}/transitions", wanted)

    def get(self, path: str, **fields: str) -> dict[str, Any]:
        """The JSON object at a path of the API."""
        reply = self._http.exchange("GET", _API + path, headers=self._headers, fields=fields)
        answer: dict[str, Any] = self._read(reply, "nothing was changed", dict, is_certain=True)
        return answer

    def send(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Change something; the answer, an empty one of a 204."""
        headers = {**self._headers, "Content-Type": "application/json"}
        reply = self._http.exchange(method, _API + path, orjson.dumps(body), headers=headers)
        return {} if reply.status == 204 else self._read(reply, "it may have been done", dict)

    def _search(self, jql: str) -> list[Ticket]:
        found: list[Ticket] = []
        token = ""
        for _ in range(_PAGES):
            more = {"nextPageToken": token} if token else {}
            page = self.get("/search/jql", jql=jql, fields=_FIELDS, maxResults=str(_PAGE), **more)
            found += [parse_ticket(one) for one in page.get("issues", [])]
            token = str(page.get("nextPageToken") or "")
            if not token or page.get("isLast"):
                break
        return found

    def _pages(self, path: str, name: str, start: int, **fields: str) -> Iterator[list[Any]]:
        """The items under `name`, page by page, as long as there are more."""
        for _ in range(_PAGES):
            page = self.get(path, startAt=str(start), maxResults=str(_PAGE), **fields)
            items = page.get(name)
            if not isinstance(items, list) or not items:
                return
            yield items
            start += len(items)
            if start >= int(page.get("total") or 0):
                return

    def _read(self, reply: HttpReply, so_what: str, shape: type[T], *, is_certain: bool = False) -> T:
        if reply.status >= 300:
            self._refuse(reply)
        try:
            answer = orjson.loads(reply.body)
        except orjson.JSONDecodeError:
            answer = None
        if not isinstance(answer, shape):
            raise DeliveryDelayedError(
                f"the answer of Jira (HTTP {reply.status}) cannot be read: {so_what}",
                suggestion="it is looked for before it is done again",
                **({"is_certain": True} if is_certain else {}),
            )
        return answer

    def _refuse(self, reply: HttpReply) -> None:
        words = mask_secrets(explain(reply.body))[:400]
        if reply.status == 404:
            raise TicketGoneError(
                f"Jira does not show it: {words}",
                suggestion="it was deleted, or our account may no longer browse the project: `etlmon doctor` looks",
            )
        if reply.status == 403:
            raise DeliveryRefusedError(
                f"Jira does not let us (HTTP 403): {words}",
                suggestion="`etlmon doctor` lists the permissions that our account lacks",
            )
        if reply.status == 400:
            raise DeliveryRefusedError(
                f"Jira does not take it: {words}",
                suggestion="correct rules/tickets.yaml as `etlmon doctor` says, then `etlmon ticket retry`",
            )
        refuse(self._http.provider, reply.status, words, headers=reply.headers)


def _authorization(site: JiraSite) -> str:
    token = site.token.get_secret_value()
    register_secret(token)
    if not site.user:
        return f"Bearer {token}"
    basic = base64.b64encode(f"{site.user}:{token}".encode()).decode()
    register_secret(basic)
    return f"Basic {basic}"
