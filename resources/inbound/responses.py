"""What people answer to a message, by whatever way it came: acknowledge, escalate, details. Always a calm sentence, never an error.

Works in the caller's transaction. Who the answer is from was decided before: by a signature, a number, a chat account.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, text

from domain.errors import ConflictError, NotFoundError
from domain.incidents.lifecycle import Action, IncidentFacts, Request
from domain.incidents.view import IncidentState, IncidentView, incident_code
from domain.notification.message import Channel
from domain.notification.rules import NotificationRules
from resources.incidents.desk import IncidentDesk
from resources.incidents.rows import lock_facts
from resources.notification.desk import NotificationDesk

_NUMBERS = (Channel.VOICE, Channel.SMS)


class Outcome(StrEnum):
    """What an answer led to."""

    DONE = "done"
    ALREADY = "already"
    OVER = "over"
    MERGED = "merged"
    UNKNOWN = "unknown"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Answered:
    """The outcome, in words for whoever answered, and the incident where there is one."""

    outcome: Outcome
    words: str
    view: IncidentView | None = None
    merged_into: int | None = None


class Responses:
    """Thin over the two desks."""

    def __init__(
        self, desk: IncidentDesk, notifications: NotificationDesk, rules: Callable[[], NotificationRules]
    ) -> None:
        self._desk = desk
        self._notifications = notifications
        self._rules = rules

    @property
    def rules(self) -> NotificationRules:
        """The notification rules in force."""
        return self._rules()

    def person_of(self, channel: Channel, address: str) -> str | None:
        """Whose number or account that is; the numbers for calls and SMS stand for each other. None: nobody's, or several people's."""
        channels = _NUMBERS if channel in _NUMBERS else (channel,)
        found = {
            name
            for name, person in self._rules().people.items()
            if address and any(person.addresses.of(one) == address for one in channels)
        }
        return found.pop() if len(found) == 1 else None

    def look(self, connection: Connection, incident_id: int) -> Answered:
        """The incident as it stands, held until the transaction ends; DONE means that it can still be acknowledged."""
        try:
            facts, view = lock_facts(connection, incident_id)
        except NotFoundError:
            return Answered(Outcome.UNKNOWN, f"{incident_code(incident_id)} is not known here.")
        return _stand(facts, view)

    def acknowledge(
        self, connection: Connection, incident_id: int, *, actor: str, cause: str, now: datetime
    ) -> Answered:
        """Acknowledge: escalation stops. Again, too late or for something merged: the words say how it stands."""
        before = self.look(connection, incident_id)
        if before.outcome is not Outcome.DONE:
            return before
        try:
            acted = self._desk.act(connection, incident_id, Request(Action.ACKNOWLEDGE, actor, cause, now))
        except ConflictError as error:
            return Answered(Outcome.OVER, f"{error.reason}.", before.view)
        if not acted.is_change:
            return Answered(Outcome.ALREADY, f"{acted.note}.", acted.view)
        return Answered(Outcome.DONE, f"{acted.view.code} is acknowledged by {actor}.", acted.view)

    def escalate(self, connection: Connection, incident_id: int, *, actor: str, cause: str, now: datetime) -> Answered:
        """Tell the manager, and ask for a ticket of the highest priority."""
        before = self.look(connection, incident_id)
        if before.view is None or before.outcome in {Outcome.OVER, Outcome.MERGED}:
            return before
        told = self._notifications.escalate_to_manager(connection, before.view, actor=actor, now=now)
        has_ticket = _ask_for_ticket(connection, before.view, actor=actor, now=now)
        if not told and not has_ticket:
            return Answered(Outcome.ALREADY, f"{before.view.code} is escalated already.", before.view)
        self._desk.note(
            connection,
            incident_id,
            kind="escalation-requested",
            actor=actor,
            cause=cause,
            now=now,
            detail={"messages": len(told), "ticket": "P1"},
        )
        words = f"{before.view.code} is escalated: the manager is told and a P1 ticket is asked for."
        return Answered(Outcome.DONE, words, before.view)

    def send_details(
        self,
        connection: Connection,
        incident_id: int,
        *,
        person: str,
        cause: str,
        channels: Sequence[Channel],
        now: datetime,
    ) -> Answered:
        """The whole context by the given channels."""
        before = self.look(connection, incident_id)
        if before.view is None:
            return before
        sent = [
            one
            for channel in channels
            for one in self._notifications.send_details(
                connection, before.view, person=person, channel=channel, now=now
            )
        ]
        if not sent:
            return Answered(Outcome.ALREADY, f"The details of {before.view.code} are on their way.", before.view)
        self._desk.note(
            connection,
            incident_id,
            kind="details-requested",
            actor=person,
            cause=cause,
            now=now,
            detail={"by": [channel.value for channel in channels]},
        )
        return Answered(Outcome.DONE, f"The details of {before.view.code} are on their way.", before.view)


def _stand(facts: IncidentFacts, view: IncidentView) -> Answered:
    if facts.merged_into is not None:
        other = incident_code(facts.merged_into)
        return Answered(Outcome.MERGED, f"{view.code} was merged into {other}.", view, facts.merged_into)
    if view.state.is_over:
        return Answered(Outcome.OVER, f"{view.code} is {view.state.value.lower()}. There is nothing left to do.", view)
    if view.acknowledged_by and view.state is not IncidentState.OPEN:
        return Answered(Outcome.ALREADY, f"{view.code} is acknowledged already, by {view.acknowledged_by}.", view)
    return Answered(Outcome.DONE, f"{view.code} is {view.state.value.lower()}.", view)


def _ask_for_ticket(connection: Connection, view: IncidentView, *, actor: str, now: datetime) -> bool:
    """A row for the ticket desk, once per incident; whether it is new."""
    payload = {
        "facts": {"incident_id": view.incident_id, "code": view.code, "title": view.title, "priority": "P1"},
        "cause": f"incident:{view.incident_id}:ticket-p1",
        "note": f"{actor} escalated",
    }
    return bool(
        connection.execute(
            text(
                "INSERT INTO outbox (idempotency_key, incident_id, kind, channel, recipient, severity, is_drill, payload, due_at,"
                " created_at) VALUES (:key, :id, 'escalated', 'jira', 'jira', :severity, :is_drill, CAST(:payload AS jsonb), :now,"
                " :now) ON CONFLICT (idempotency_key) DO NOTHING"
            ),
            {
                "key": payload["cause"],
                "id": view.incident_id,
                "severity": view.severity.value,
                "is_drill": view.is_drill,
                "payload": json.dumps(payload),
                "now": now,
            },
        ).rowcount
    )
