"""Asking the desk what changed, for whoever gets no webhooks, and for what a webhook missed; and incidents that lack a ticket (H1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, text

from domain.incidents.view import find_number
from domain.ports import TicketDesk
from domain.tickets.rules import TicketRules
from domain.tickets.ticket import Ticket
from resources.inbound.deliveries import handle_once
from resources.postgres.engine import transaction
from resources.tickets.listener import note_ticket
from resources.tickets.rows import touch_ticket

_MARK = "tickets-poll"
_LONGEST_MIN = 30 * 24 * 60
_MISSING = text(
    "INSERT INTO tickets (incident_id, due_at) SELECT incident_id, :now FROM incidents WHERE state NOT IN ('RESOLVED', 'CLOSED')"
    " AND severity = ANY(:severities) ON CONFLICT (incident_id) DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class Polled:
    """Tickets that somebody changed over there, and incidents that lacked a ticket."""

    changed: int = 0
    missing: int = 0


def is_poll_due(connection: Connection, rules: TicketRules, *, now: datetime) -> bool:
    """Whether the last poll was long ago."""
    mark = _read_mark(connection)
    return mark is None or mark + timedelta(seconds=rules.poll_every_s) <= now


def poll(engine: Engine, desk: TicketDesk, rules: TicketRules, *, now: datetime) -> Polled:
    """Make due what changed since the last poll, with overlap; the mark moves only when the desk has answered.

    Raises:
        as `TicketDesk`.
    """
    with transaction(engine) as connection:
        mark = _read_mark(connection) or now
        missing = connection.execute(
            _MISSING, {"now": now, "severities": [one.value for one in rules.severities]}
        ).rowcount
    since_s = (now - mark).total_seconds() + rules.poll_overlap_s
    found = desk.changed_within(rules.marker, minutes=min(_LONGEST_MIN, math.ceil(since_s / 60)))
    with transaction(engine) as connection:
        changed = sum(_notice(connection, rules, one, now) for one in found)
        connection.execute(
            text(
                "INSERT INTO detection_marks (name, evaluated_until) VALUES (:name, :now) ON CONFLICT (name) DO UPDATE"
                " SET evaluated_until = greatest(detection_marks.evaluated_until, excluded.evaluated_until)"
            ),
            {"name": _MARK, "now": now},
        )
    return Polled(changed, missing)


def _read_mark(connection: Connection) -> datetime | None:
    found: datetime | None = connection.execute(
        text("SELECT evaluated_until FROM detection_marks WHERE name = :name"), {"name": _MARK}
    ).scalar_one_or_none()
    return found


def _notice(connection: Connection, rules: TicketRules, ticket: Ticket, now: datetime) -> bool:
    """Whether it has news for us. A second ticket with the mark of an incident is told once, and otherwise left alone."""
    incident_id = incident_of(rules, ticket.labels)
    row = connection.execute(
        text("SELECT incident_id, ticket_id, last_seen_hash FROM tickets WHERE ticket_id = :ticket OR incident_id = :incident"
             " ORDER BY (ticket_id = :ticket) DESC NULLS LAST LIMIT 1"),
        {"ticket": ticket.ticket_id, "incident": incident_id},
    ).one_or_none()  # fmt: skip
    if row is None or row.ticket_id is None:
        return False  # of another installation, or the one being created right now
    if row.ticket_id != ticket.ticket_id:
        _tell_twin(connection, row.incident_id, ticket, now)
        return False
    return row.last_seen_hash != ticket.fingerprint and touch_ticket(connection, row.incident_id, now=now)


def incident_of(rules: TicketRules, labels: tuple[str, ...]) -> int | None:
    """The number of the incident whose mark is among the labels."""
    prefix = f"{rules.marker}-INC-"
    return next((find_number(one.removeprefix(f"{rules.marker}-")) for one in labels if one.startswith(prefix)), None)


def _tell_twin(connection: Connection, incident_id: int, ticket: Ticket, now: datetime) -> None:
    def tell() -> str:
        detail = {"ticket": ticket.key, "reason": "a second ticket has the mark of this incident: close one of them"}
        note_ticket(connection, incident_id, kind="ticket-conflict", detail=detail, now=now)
        return "told"

    handle_once(connection, "jira", f"twin:{ticket.ticket_id}:{incident_id}", now=now, act=tell)
