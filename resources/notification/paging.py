"""From an incident to rows in the outbox: whom a step tells, whom a notice reaches, what they are told, and the timeline's entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from domain.incidents.view import IncidentView
from domain.notification.escalation import Policy, Target
from domain.notification.message import Channel, MessageKind
from domain.notification.planning import Planned, plan_messages, resolve_targets
from domain.notification.rules import NotificationRules
from resources.incidents.timeline import write_event
from resources.notification.on_call import on_call_lookup
from resources.notification.outbox import Cause, write_messages

_OWN_SYSTEMS = (Channel.PAGERDUTY, Channel.OPSGENIE, Channel.WEBHOOK)


@dataclass(frozen=True, slots=True)
class Pager:
    """Writes messages about one incident at one instant. `base_url` is where browsers reach the API."""

    connection: Connection
    rules: NotificationRules
    view: IncidentView
    now: datetime
    base_url: str

    def policy(self) -> tuple[str, Policy] | None:
        """By the routes; where none fits the first policy there is, because somebody has to be told. None: there is none."""
        name = self.rules.policy_of(self.view.service, self.view.severity) or next(
            iter(sorted(self.rules.policies)), None
        )
        return (name, self.rules.policies[name]) if name else None

    def page(
        self, policy: Policy, targets: Sequence[Target], *, kind: MessageKind, cause: str, **facts: Any
    ) -> list[int]:
        """Tell targets through all channels of the severity; the new rows."""
        look_up = on_call_lookup(self.connection, self.rules, now=self.now)
        recipients, empty = resolve_targets(self.rules, policy, targets, look_up)
        channels = [*self.rules.tiers.of(self.view.severity).channels, *policy.also_channels]
        planned = plan_messages(self.rules, recipients, channels, cause=cause)
        written = self.write(kind, planned, **facts)
        if written:
            notes = [*empty, *(one.note for one in planned if one.note)]
            self.note("paged", {"why": kind.value, "to": _reach(planned), **({"notes": notes} if notes else {})})
        return written

    def notice(self, kind: MessageKind, *, cause: str, **facts: Any) -> list[int]:
        """Tell everybody who was told of the incident, through the channels that disturb nobody."""
        channels = [*self.rules.tiers.notices, *_OWN_SYSTEMS]
        rows = self.connection.execute(
            text(
                "SELECT DISTINCT channel, recipient FROM outbox WHERE incident_id = :id AND kind IN ('opened', 'escalated')"
                " AND channel = ANY(:channels) AND state <> 'DEAD' ORDER BY channel, recipient"
            ),
            {"id": self.view.incident_id, "channels": [one.value for one in channels]},
        ).all()
        return self.write(kind, [Planned(cause, Channel(row.channel), row.recipient) for row in rows], **facts)

    def write(self, kind: MessageKind, planned: Sequence[Planned], **facts: Any) -> list[int]:
        """Rows with the facts of the incident."""
        view = self.view
        cause = Cause(kind, view.severity, {**self.facts(), **facts}, view.incident_id, view.is_drill)
        return write_messages(self.connection, cause, planned, now=self.now)

    def facts(self) -> dict[str, Any]:
        """The words of the incident, as every channel's texts take them. `ack_url` is added when a message is sent."""
        view = self.view
        return {
            "incident_id": view.incident_id,
            "code": view.code,
            "title": view.title,
            "severity": view.severity.value,
            "category": view.category,
            "service": view.service,
            "impact": view.summary,
            "state": view.state.value,
            "alerts": view.alerts,
            "onset_at": view.onset_at.isoformat(),
            "detected_at": view.opened_at.isoformat(),
            "acknowledged_by": view.acknowledged_by,
            "incident_url": f"{self.base_url}/incidents/{view.code}",
            "incidents_url": f"{self.base_url}/incidents",
            "dashboard_url": f"{self.base_url}/incidents/{view.code}#signal",
            "is_drill": view.is_drill,
        }

    def note(self, kind: str, detail: dict[str, Any]) -> None:
        """An entry of the incident's timeline."""
        write_note(self.connection, self.view.incident_id, kind=kind, detail=detail, now=self.now)


def write_note(
    connection: Connection,
    incident_id: int,
    *,
    kind: str,
    detail: dict[str, Any],
    now: datetime,
    actor: str = "notification",
    cause: str = "policy",
) -> None:
    """An entry of an incident's timeline, in the name of notification where nobody else is named."""
    write_event(connection, incident_id, kind=kind, actor=actor, cause=cause, now=now, detail=detail)


def _reach(planned: Sequence[Planned]) -> dict[str, list[str]]:
    """Recipient → channels; never an address."""
    counted = Counter((one.recipient, one.channel.value) for one in planned)
    reach: dict[str, list[str]] = {}
    for recipient, channel in counted:
        reach.setdefault(recipient, []).append(channel)
    return reach
