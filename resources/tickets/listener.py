"""Incidents make tickets due, in the transaction of what happened to them; nothing is sent here, so Jira delays nothing (H1)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from domain.errors import RuleFileError
from domain.incidents.view import IncidentView
from domain.tickets.meaning import CAUSE
from domain.tickets.rules import TicketRules
from resources.incidents.desk import Listener
from resources.json_logs import get_logger
from resources.notification.paging import write_note
from resources.rule_files import load_rule_file, shipped_rules
from resources.settings import Settings
from resources.tickets.rows import touch_ticket, want_ticket

_TAKE = text(
    "UPDATE outbox SET state = 'SENT', sent_at = :now, due_at = NULL, attempts = attempts + 1, last_error = NULL WHERE message_id IN ("
    "SELECT message_id FROM outbox WHERE channel = 'jira' AND state = 'PENDING' AND due_at <= :now FOR UPDATE SKIP LOCKED)"
    " RETURNING incident_id"
)
_ANSWERED = text(
    "UPDATE outbox SET state = 'DELIVERED', provider_id = :key WHERE channel = 'jira' AND state = 'SENT' AND incident_id = :id"
)


def load_ticket_rules(settings: Settings) -> TicketRules:
    """`rules/tickets.yaml` of this installation.

    Raises:
        RuleFileError: malformed.
    """
    return load_rule_file((settings.rules_path or shipped_rules()) / "tickets.yaml", TicketRules)


def with_tickets(settings: Settings, others: Listener) -> Listener:
    """A listener that also makes tickets due. Where there is no Jira it is the other one alone.

    A broken rule file never keeps an incident from being told: then tickets wait for the poll, which finds what is missing.
    """
    if settings.jira_url is None:
        return others
    try:
        rules = load_ticket_rules(settings)
    except RuleFileError as error:
        get_logger(__name__).error("no tickets until the rules are corrected", error=error)
        return others

    def listen(connection: Connection, view: IncidentView, what: str, now: datetime) -> None:
        others(connection, view, what, now)
        if what == "alert-joined":
            return
        if rules.has_ticket(view.severity) and not view.state.is_over:
            want_ticket(connection, view.incident_id, now=now)
        else:
            touch_ticket(connection, view.incident_id, now=now)

    return listen


def take_requests(connection: Connection, rules: TicketRules, *, now: datetime) -> int:
    """Requests of people for a ticket of the highest priority (key 3 of a call), out of the outbox; how many."""
    incidents = list(connection.execute(_TAKE, {"now": now}).scalars())
    for incident_id in sorted(set(incidents)):
        want_ticket(connection, incident_id, now=now, priority=rules.escalated_priority)
    return len(incidents)


def note_ticket(connection: Connection, incident_id: int, *, kind: str, detail: dict[str, Any], now: datetime) -> None:
    """What became of the ticket, in the timeline of its incident."""
    write_note(connection, incident_id, kind=kind, detail=detail, now=now, actor="tickets", cause=CAUSE)


def answer_requests(connection: Connection, incident_id: int, key: str) -> None:
    """The ticket is there with the priority that was asked for."""
    connection.execute(_ANSWERED, {"id": incident_id, "key": key})
