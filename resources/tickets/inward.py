"""What happened to a ticket over there becomes part of the incident: one function for webhooks and polling (H1, E2)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from domain.errors import ConflictError, InputDataError
from domain.tickets.meaning import CAUSE, Reader, Seen
from domain.tickets.rules import TicketRules
from domain.tickets.ticket import News
from resources.incidents.desk import IncidentDesk
from resources.incidents.rows import lock_facts
from resources.tickets.outcomes import record_news
from resources.tickets.rows import Claimed


def apply_news(
    connection: Connection,
    incidents: IncidentDesk,
    rules: TicketRules,
    one: Claimed,
    news: News,
    *,
    own_account: str,
    now: datetime,
) -> int:
    """Act on the incident as people over there did; how many actions changed something. Everything or nothing.

    What is not legal here any more stands in the timeline as a conflict; the incident stays as it is.
    """
    facts, _ = lock_facts(
        connection, one.incident_id
    )  # before the ticket: whoever acts on an incident locks in this order
    if not record_news(connection, one, news):
        return 0  # the lease is over: another worker has it
    reader = Reader(rules, own_account, now)
    changed = 0
    for request in reader.decide_actions(news, Seen(one.status, one.seen_comment_id, one.pushed_state), facts):
        try:
            changed += incidents.act(connection, one.incident_id, request).is_change
        except (ConflictError, InputDataError) as error:
            detail = {"action": request.action.value, "ticket": news.ticket.key, "reason": error.reason}
            incidents.note(
                connection,
                one.incident_id,
                kind="ticket-conflict",
                actor=request.actor,
                cause=CAUSE,
                now=now,
                detail=detail,
            )
    return changed
