"""Checks of Jira: would a ticket be created, and would it follow. Asks Jira what rules/tickets.yaml takes for granted; changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from domain.errors import EtlmonError
from domain.incidents.view import IncidentState
from domain.tickets.rules import TicketRules
from domain.tickets.ticket import TicketGoneError
from resources.doctor.finding import Finding, Verdict, ok, problem, warning
from resources.settings import Settings
from resources.tickets.listener import load_ticket_rules
from resources.tickets.service import desk_of, token_of
from resources.tickets_jira import TicketsJira

CHECK = "Jira"
_NEEDED = ("BROWSE_PROJECTS", "CREATE_ISSUES", "EDIT_ISSUES", "ADD_COMMENTS", "TRANSITION_ISSUES")
_OURS = frozenset({"project", "issuetype", "summary", "description", "labels", "priority"})
_RULES = "rules/tickets.yaml"


def check_tickets(settings: Settings) -> Iterator[Finding]:
    """Everything that keeps tickets from working, each with what is missing."""
    if settings.jira_url is None:
        yield ok(CHECK, "no tickets: ETLMON_JIRA_URL is not set")
        return
    try:
        if token_of(settings) is None:
            yield problem(
                CHECK, "there is no API token", "set ETLMON_JIRA_TOKEN, or write it to HOME/secrets/jira.token"
            )
            return
        rules = load_ticket_rules(settings)
        found = list(_ask(desk_of(settings, rules), rules))
    except EtlmonError as error:
        yield problem(CHECK, error.reason, error.suggestion)
        return
    yield from found
    yield from _check_webhook(settings, rules)
    if all(one.verdict is Verdict.OK for one in found):
        yield ok(CHECK, f"tickets are created in {rules.project} as {rules.issue_type}, and followed")


def _check_webhook(settings: Settings, rules: TicketRules) -> Iterator[Finding]:
    if settings.jira_webhook_secret is None:
        yield warning(
            CHECK,
            f"no webhook secret: what people do in Jira is only seen every {rules.poll_every_s} s",
            "set ETLMON_JIRA_WEBHOOK_SECRET and register PUBLIC_URL/api/v1/webhooks/jira in Jira with the same secret",
        )
    elif settings.public_url is None:
        yield warning(CHECK, "Jira cannot send webhooks without a public address", "set ETLMON_PUBLIC_URL")


def _ask(desk: TicketsJira, rules: TicketRules) -> Iterator[Finding]:
    desk.own_account()
    project = quote(rules.project, safe="")
    try:
        desk.get(f"/project/{project}")
    except TicketGoneError as error:
        yield problem(
            CHECK,
            f"there is no project {rules.project} for our account: {error.reason}",
            f"correct `project` in {_RULES}, or give the account the permission to browse it",
        )
        return
    yield from _check_permissions(desk, rules)
    types = desk.get(f"/issue/createmeta/{project}/issuetypes").get("issueTypes") or []
    ours = next((one for one in types if one.get("name") == rules.issue_type), None)
    if ours is None:
        names = ", ".join(sorted(str(one.get("name")) for one in types)) or "none that our account may create"
        yield problem(
            CHECK,
            f"{rules.project} has no issue type {rules.issue_type!r}; it has {names}",
            f"correct `issue_type` in {_RULES}",
        )
        return
    number = quote(str(ours.get("id")), safe="")
    fields = desk.get(f"/issue/createmeta/{project}/issuetypes/{number}", maxResults="200").get("fields") or []
    yield from _check_fields({str(one.get("fieldId") or one.get("key")): one for one in fields}, rules)
    yield from _check_statuses(desk, rules)


def _check_permissions(desk: TicketsJira, rules: TicketRules) -> Iterator[Finding]:
    answer = desk.get("/mypermissions", projectKey=rules.project, permissions=",".join(_NEEDED))
    held = answer.get("permissions") or {}
    if missing := [one for one in _NEEDED if not (held.get(one) or {}).get("havePermission")]:
        yield problem(
            CHECK,
            f"our account lacks permissions in {rules.project}: {', '.join(missing)}",
            "grant them in the project's permission scheme",
        )


def _check_fields(fields: dict[str, dict[str, Any]], rules: TicketRules) -> Iterator[Finding]:
    given = _OURS | set(rules.fields)
    for name, one in fields.items():
        if one.get("required") and not one.get("hasDefaultValue") and name not in given:
            yield problem(
                CHECK,
                f"the field {one.get('name')} ({name}) is required and would be missing",
                f"give it a value under `fields` in {_RULES}, or make it optional in Jira",
            )
    for name in sorted((given - {"project", "issuetype"}) - set(fields)):
        yield problem(
            CHECK,
            f"the field {name} cannot be set when a ticket is created",
            f"put it on the create screen of {rules.issue_type}"
            + ("" if name in _OURS else f", or take it out of {_RULES}"),
        )
    known = {str(one.get("name")) for one in (fields.get("priority") or {}).get("allowedValues") or []}
    wanted = {rules.escalated_priority, *rules.priorities.values()}
    if known and (unknown := sorted(wanted - known)):
        yield problem(
            CHECK,
            f"there is no priority {', '.join(unknown)}; there are {', '.join(sorted(known))}",
            f"correct `priorities` and `escalated_priority` in {_RULES}",
        )


def _check_statuses(desk: TicketsJira, rules: TicketRules) -> Iterator[Finding]:
    """A state is reached by a transition's name or by the status it leads to; only statuses can be asked for without a ticket."""
    answer = desk.list_statuses(rules.issue_type)
    for state in IncidentState:
        if state in rules.transitions and not any(rules.stands_for(state, name) for name in answer):
            yield warning(
                CHECK,
                f"no status of {rules.issue_type} is named under transitions.{state.value}; there are {', '.join(answer)}",
                f"name one of them, unless a transition has one of the names in {_RULES}",
            )
    if silent := [name for name in answer if rules.meaning_of(name) is None]:
        yield warning(
            CHECK,
            f"moving a ticket to {', '.join(silent)} means nothing here",
            f"say under `statuses` in {_RULES} what it means, if it shall mean something",
        )
