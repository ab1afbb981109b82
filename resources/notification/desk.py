"""The notification desk: what happens to an incident becomes messages and timers, in the transaction of that event (H2, H7, E2).

What an acknowledgement takes back: every escalation that has not gone out, and calls. Texts, mail and chat of the first page
still go out, because they inform. A resolved incident also takes back SMS, unless it was CRITICAL.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection

from domain.incidents.lifecycle import Action
from domain.incidents.view import IncidentState, IncidentView
from domain.notification.message import Channel, MessageKind
from domain.notification.planning import plan_messages
from domain.notification.rules import NotificationRules
from domain.vocabulary import Severity
from resources.drills.telling_apart import may_go_further
from resources.notification import timers
from resources.notification.outbox import cancel_messages
from resources.notification.paging import Pager

_WORKING = {Action.ACKNOWLEDGE, Action.INVESTIGATE, Action.REMEDIATE, Action.MONITOR}
_RANK = {severity: rank for rank, severity in enumerate(Severity)}


class NotificationDesk:
    """`on_incident` is the listener of the incident desk. `rules` gives the rules in force."""

    def __init__(self, rules: Callable[[], NotificationRules], *, base_url: str) -> None:
        self._rules = rules
        self._base_url = base_url.rstrip("/")

    def on_incident(self, connection: Connection, view: IncidentView, what: str, now: datetime) -> None:
        """Messages and timers that follow from an event; the same event again changes nothing.

        Args:
            what: "opened", or the value of an action; others (comments, joined alerts) tell nobody.
        """
        pager = self.pager(connection, view, now)
        if what in {"opened", Action.REOPEN}:
            self._open(pager)
        elif what in _WORKING:
            self._take(pager, what)
        elif what == Action.SNOOZE:
            timers.stop_timer(pager, timers.SNOOZED)
            self._cancel(pager, "snoozed", MessageKind.ESCALATED, calls=(Channel.VOICE,))
        elif what == Action.WAKE and view.state is IncidentState.OPEN:
            timers.resume_timer(pager)
        elif what == Action.SET_SEVERITY:
            self._replan(pager)
        elif what in {Action.RESOLVE, Action.CLOSE, Action.MERGE}:
            self._end(pager, what)

    def escalate_due(self, connection: Connection, *, now: datetime, limit: int = 500) -> int:
        """Take every step that is due; how many incidents. Call again while it answers `limit`."""
        rules = self._rules()
        return timers.escalate_due(connection, rules, now=now, limit=limit, base_url=self._base_url)

    def warn_of_sla(
        self, connection: Connection, view: IncidentView, *, measure: str, due_at: datetime, now: datetime
    ) -> None:
        """A target is about to be missed: whoever is on call learns it by the channels for notices."""
        pager = self.pager(connection, view, now)
        if (found := pager.policy()) is None:
            return
        cause = f"incident:{view.incident_id}:sla:{measure}:{due_at:%Y%m%dT%H%M%S}"
        recipients = timers.first_line(pager, found[1])
        channels = [one for one in pager.rules.tiers.notices if one in pager.rules.tiers.of(view.severity).channels]
        planned = plan_messages(pager.rules, recipients, channels or [Channel.SLACK], cause=cause)
        pager.write(MessageKind.SLA_WARNING, planned, measure=measure, due_at=due_at.isoformat())

    def send_details(
        self, connection: Connection, view: IncidentView, *, person: str, channel: Channel, now: datetime
    ) -> list[int]:
        """What somebody asked for (menu 2 of a call, a button); asked twice within a minute it is sent once."""
        pager = self.pager(connection, view, now)
        cause = f"incident:{view.incident_id}:details:{now:%Y%m%dT%H%M}"
        return pager.write(MessageKind.DETAILS, plan_messages(pager.rules, [person], [channel], cause=cause))

    def escalate_to_manager(
        self, connection: Connection, view: IncidentView, *, actor: str, now: datetime
    ) -> list[int]:
        """Somebody asked for the manager (menu 3 of a call): all channels of the severity. The timer goes on as it was."""
        pager = self.pager(connection, view, now)
        if (found := pager.policy()) is None:
            return []
        if view.is_drill and not may_go_further(connection, view.incident_id):
            pager.note("drill-spared", {"reason": f"{actor} asks for the manager, who is not told in a drill"})
            return []
        cause = f"incident:{view.incident_id}:manager:{timers.read_episode(connection, view.incident_id)}"
        reason = f"{actor} asks for the manager"
        return pager.page(found[1], [timers.MANAGER], kind=MessageKind.ESCALATED, cause=cause, reason=reason)

    def pager(self, connection: Connection, view: IncidentView, now: datetime) -> Pager:
        """Writes messages about this incident."""
        return Pager(connection, self._rules(), view, now, self._base_url)

    def _open(self, pager: Pager) -> None:
        episode = timers.start_timer(pager)
        name = "opened" if episode == 1 else f"reopened:{episode}"
        timers.tell_first_line(pager, cause=f"incident:{pager.view.incident_id}:{name}")

    def _take(self, pager: Pager, what: str) -> None:
        """Somebody works on it: no more escalation, no call."""
        view = pager.view
        timers.stop_timer(pager, f"{view.state.value.lower()} by {view.acknowledged_by or 'somebody'}")
        self._cancel(pager, "acknowledged before it went out", MessageKind.ESCALATED, calls=(Channel.VOICE,))
        if what == Action.ACKNOWLEDGE or view.acknowledged_at == pager.now:
            pager.notice(MessageKind.ACKNOWLEDGED, cause=f"incident:{view.incident_id}:acknowledged:{view.revision}")

    def _end(self, pager: Pager, what: str) -> None:
        view = pager.view
        timers.stop_timer(pager, view.state.value.lower())
        calls = (Channel.VOICE,) if view.severity is Severity.CRITICAL else (Channel.VOICE, Channel.SMS)
        self._cancel(pager, "over before it went out", MessageKind.ESCALATED, MessageKind.SLA_WARNING, calls=calls)
        if what == Action.RESOLVE:
            pager.notice(MessageKind.RESOLVED, cause=f"incident:{view.incident_id}:resolved:{view.revision}")
        elif what == Action.MERGE:
            cause = f"incident:{view.incident_id}:merged:{view.revision}"
            pager.notice(MessageKind.UPDATED, cause=cause, reason="merged into another incident")

    def _replan(self, pager: Pager) -> None:
        """More urgent: the channels of the new severity, and its shorter timer. Less urgent: the longer timer and a notice."""
        view = pager.view
        before = timers.retarget_timer(pager)
        if before is None or before is view.severity:
            return
        reason = f"severity was {before.value}, is {view.severity.value}"
        cause = f"incident:{view.incident_id}:severity:{view.revision}"
        if _RANK[view.severity] < _RANK[before] and view.state is IncidentState.OPEN:
            timers.tell_first_line(pager, cause=cause, reason=reason)
        else:
            pager.notice(MessageKind.UPDATED, cause=cause, reason=reason)

    def _cancel(self, pager: Pager, reason: str, *kinds: MessageKind, calls: tuple[Channel, ...]) -> None:
        cancel_messages(
            pager.connection, pager.view.incident_id, kinds=kinds, channels=calls, reason=reason, now=pager.now
        )
