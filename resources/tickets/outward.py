"""Carrying an incident over to its ticket: created, priority, status, comments. Each step is recorded before the next (H1).

Every step first looks at what is there: a worker that was killed between a request and its record repeats nothing but a
comment or a ticket that Jira does not show yet, and those are looked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from domain.incidents.view import IncidentState, IncidentView
from domain.notification.message import DeliveryRefusedError
from domain.ports import TicketDesk
from domain.tickets.meaning import CAUSE
from domain.tickets.rules import TicketRules
from domain.tickets.ticket import News, Ticket
from domain.tickets.workflow import decide_step
from domain.tickets.writing import Event, compose_comment, compose_draft, marker_line
from resources.incidents.rows import read_view
from resources.postgres.engine import transaction
from resources.tickets import outcomes, rows
from resources.tickets.listener import answer_requests, note_ticket
from resources.tickets.reading import read_context, read_events

#: Comments of one pass; the rest follows at once.
_COMMENTS = 10


@dataclass(frozen=True, slots=True)
class Outward:
    """The desk, the rules and the records. `observe` hears of each request before and after it is made."""

    engine: Engine
    desk: TicketDesk
    rules: TicketRules
    base_url: str
    observe: Callable[[str], None] = lambda _: None

    def create(self, one: rows.Claimed, *, now: datetime) -> bool:
        """Create the ticket, or find the one that an earlier try created; whether there is one now.

        An incident that is over before anybody made a ticket of it gets none.
        """
        with transaction(self.engine) as connection:
            view = read_view(connection, one.incident_id)
            context = read_context(connection, view, base_url=self.base_url)
        priority = self._priority(one, view)
        found = self.desk.find(self.rules.marker_of(view.code)) if one.was_possibly_created else []
        if not found and view.state.is_over and one.wanted_priority is None:
            return False
        self.observe("creating")
        ticket = found[0] if found else self.desk.create(compose_draft(view, context, self.rules, priority=priority))
        self.observe("created")
        self._record_created(one, ticket, None if found else priority, is_found=bool(found), now=now)
        return True

    def carry(self, one: rows.Claimed, news: News) -> bool:
        """Bring the ticket up to date; whether something is left. What one step is refused does not hold up the others.

        Raises:
            DeliveryRefusedError: the first refusal, after every step was tried. DeliveryDelayedError: at once.
        """
        with transaction(self.engine) as connection:
            view = read_view(connection, one.incident_id)
        refused: list[DeliveryRefusedError] = []
        is_more = False
        for step in (self._set_priority, self._move, self._comment):
            try:
                is_more |= step(one, view, news)
            except DeliveryRefusedError as error:
                refused.append(error)
        if refused:
            raise refused[0]
        if one.wanted_priority is not None:
            with transaction(self.engine) as connection:
                answer_requests(connection, one.incident_id, news.ticket.key)
        return is_more

    def _record_created(
        self, one: rows.Claimed, ticket: Ticket, priority: str | None, *, is_found: bool, now: datetime
    ) -> None:
        with transaction(self.engine) as connection:
            detail = {"ticket": ticket.key, **({"found_again": True} if is_found else {})}
            note_ticket(connection, one.incident_id, kind="ticket-created", detail=detail, now=now)
            outcomes.record_created(connection, one, ticket, priority=priority or ticket.priority)

    def _priority(self, one: rows.Claimed, view: IncidentView) -> str | None:
        return one.wanted_priority or self.rules.priority_of(view.severity)

    def _set_priority(self, one: rows.Claimed, view: IncidentView, news: News) -> bool:
        wanted = self._priority(one, view)
        if wanted is None or wanted == one.priority:
            return False
        if wanted != news.ticket.priority:
            self.desk.set_priority(news.ticket.key, wanted)
        with transaction(self.engine) as connection:
            outcomes.record_priority(connection, one, priority=wanted)
        return False

    def _move(self, one: rows.Claimed, view: IncidentView, news: News) -> bool:
        """Along the workflow to a status that stands for the state of the incident, by way of work in progress if need be."""
        key, status, state = news.ticket.key, news.ticket.status, view.state
        if state.value == one.pushed_state or state not in self.rules.transitions:
            return False
        if self.rules.stands_for(state, status):
            self._record_moved(one, state, status)
            return False
        step = decide_step(news.ticket, self.desk.list_transitions(key), state, self.rules)
        self.observe("moving")
        self.desk.move(key, step.way, resolution=self.rules.resolution)
        self.observe("moved")
        self._record_moved(one, state if step.is_there else None, step.way.to_status or status)
        return not step.is_there

    def _record_moved(self, one: rows.Claimed, state: IncidentState | None, status: str) -> None:
        with transaction(self.engine) as connection:
            outcomes.record_moved(connection, one, state=state.value if state else None, status=status)

    def _comment(self, one: rows.Claimed, view: IncidentView, news: News) -> bool:
        kinds = [kind.value for kind in self.rules.comments]
        with transaction(self.engine) as connection:
            events = read_events(
                connection, one.incident_id, after=one.told_event_id, kinds=kinds, own_cause=CAUSE, limit=_COMMENTS
            )
        for event in events:
            if not _is_told(news, event, view.code):
                self.observe("commenting")
                self.desk.comment(news.ticket.key, compose_comment(event, code=view.code))
                self.observe("commented")
            with transaction(self.engine) as connection:
                outcomes.record_told(connection, one, event_id=event.event_id)
        return len(events) == _COMMENTS


def _is_told(news: News, event: Event, code: str) -> bool:
    """Whether a comment ends with the mark of this entry: an earlier try wrote it."""
    marker = marker_line(event.event_id, code=code)
    return any(remark.text.rstrip().endswith(marker) for remark in news.remarks)
