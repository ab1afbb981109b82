"""What the jobs of the operations location do: judge the newest samples, tell people, watch the clocks. One transaction each.

Assembled here from settings, so that a job only calls a function and attaches what it answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, text

from domain.detection.alert_event import AlertEvent
from domain.detection.platform_events import FAILED_RUN
from domain.errors import RuleFileError
from domain.incidents.lifecycle import Action, Request
from resources.alerts.desk import Received, Reviewed
from resources.alerts.opening import open_alert_desk, open_incident_desk
from resources.alerts.topology import refresh_graph
from resources.detection.run import DetectionRun, detect
from resources.incidents.rows import read_view
from resources.lake.connection import Lake
from resources.notification.delivery import Delivered
from resources.notification.service import delivery_of, desk_of
from resources.postgres.engine import transaction
from resources.rule_files import shipped_rules
from resources.settings import Settings

_ACTOR = "platform"


@dataclass(frozen=True, slots=True)
class Detected:
    """What one detection found, and what became of it."""

    run: DetectionRun
    received: Received
    reviewed: Reviewed


def detect_and_correlate(settings: Settings, engine: Engine, lake: Lake, *, now: datetime) -> Detected:
    """Rules over the newest samples, alerts, incidents and their first messages: all or nothing."""
    desk = open_alert_desk(settings)
    found: list[tuple[Received, Reviewed]] = []
    with transaction(engine) as connection:
        refresh_graph(connection, lake, now=now)

    def receive(
        connection: Connection, events: Sequence[AlertEvent], broken: Sequence[RuleFileError], at: datetime
    ) -> None:
        received = desk.receive(connection, events, now=at, broken=broken)
        found.append((received, desk.review(connection, at)))

    run = detect(engine, lake, (settings.rules_path or shipped_rules()) / "detections", receive, now=now)
    received, reviewed = found[0] if found else (Received(), Reviewed())
    return Detected(run, received, reviewed)


def receive_events(settings: Settings, engine: Engine, events: Sequence[AlertEvent], *, now: datetime) -> Received:
    """Alerts that others found: failed runs, the platform's own troubles."""
    with transaction(engine) as connection:
        return receive_events_in(connection, settings, events, now=now)


def receive_events_in(
    connection: Connection, settings: Settings, events: Sequence[AlertEvent], *, now: datetime
) -> Received:
    """The same in a transaction of the caller."""
    return open_alert_desk(settings).receive(connection, events, now=now)


def find_failing_jobs(engine: Engine) -> dict[str, datetime]:
    """Jobs of Dagster about which an alert fires, with the instant of their last failure."""
    query = text(
        "SELECT labels->>'job' AS job, max(last_seen_at) AS at FROM alerts WHERE rule_id = :rule AND status = 'FIRING' GROUP BY 1"
    )
    with transaction(engine) as connection:
        return {row.job: row.at for row in connection.execute(query, {"rule": FAILED_RUN}) if row.job}


def deliver_due(settings: Settings, engine: Engine, *, now: datetime) -> Delivered:
    """Send what is due."""
    return delivery_of(settings, engine).deliver_due(now=now)


def escalate_due(settings: Settings, engine: Engine, *, now: datetime) -> int:
    """The next step of every incident that nobody has acknowledged in time; how many."""
    desk = desk_of(settings)
    with transaction(engine) as connection:
        return desk.escalate_due(connection, now=now)


@dataclass(frozen=True, slots=True)
class ClockWatch:
    """Snoozed incidents woken, SLA targets warned of and missed."""

    woken: int
    warned: int
    breached: int


def watch_clocks(settings: Settings, engine: Engine, *, now: datetime) -> ClockWatch:
    """What is due on the clocks of incidents: the end of a snooze, a warning before a target is missed, the miss itself."""
    incidents, messages = open_incident_desk(settings), desk_of(settings)
    with transaction(engine) as connection:
        woken = connection.execute(_SNOOZED, {"now": now}).scalars().all()
        for incident_id in woken:
            incidents.act(connection, incident_id, Request(Action.WAKE, _ACTOR, "the snooze is over", now))
        breached = connection.execute(_BREACHED, {"now": now}).all()
        for row in breached:
            detail = {"measure": row.measure, "target_s": row.target_s}
            incidents.note(
                connection, row.incident_id, kind="sla-breached", actor=_ACTOR, cause="sla", now=now, detail=detail
            )
        warned = connection.execute(_WARNED, {"now": now}).all()
        for row in warned:
            view = read_view(connection, row.incident_id)
            messages.warn_of_sla(connection, view, measure=row.measure, due_at=row.due_at, now=now)
            detail = {"measure": row.measure, "due_at": row.due_at}
            incidents.note(
                connection, row.incident_id, kind="sla-warning", actor=_ACTOR, cause="sla", now=now, detail=detail
            )
    return ClockWatch(len(woken), len(warned), len(breached))


_SNOOZED = text(
    "SELECT incident_id FROM incidents WHERE snoozed_until <= :now AND state NOT IN ('RESOLVED', 'CLOSED')"
    " ORDER BY incident_id FOR UPDATE SKIP LOCKED"
)
# incidents before their clocks, like whoever acts on one; those that somebody holds have their turn at the next tick
_HELD = (
    "WITH held AS MATERIALIZED (SELECT incident_id FROM incidents WHERE incident_id IN (SELECT incident_id FROM sla_clocks WHERE {due})"
    " ORDER BY incident_id FOR UPDATE SKIP LOCKED) UPDATE sla_clocks SET {change} WHERE {due} AND incident_id IN"
    " (SELECT incident_id FROM held) RETURNING incident_id, measure, target_s, due_at"
)
_BREACHED = text(
    _HELD.format(due="due_at <= :now AND breached_at IS NULL", change="breached_at = due_at, warn_at = NULL")
)
_WARNED = text(
    _HELD.format(
        due="warn_at <= :now AND due_at > :now AND breached_at IS NULL", change="warned_at = :now, warn_at = NULL"
    )
)


@dataclass(frozen=True, slots=True)
class DueWork:
    """What waits at this moment: asked by sensors at every tick, answered by indexes alone."""

    messages: bool
    escalations: bool
    clocks: bool


def find_due_work(engine: Engine, *, now: datetime) -> DueWork:
    """Whether anything is due."""
    with transaction(engine) as connection:
        row = connection.execute(_DUE, {"now": now}).one()
    return DueWork(messages=row.messages, escalations=row.escalations, clocks=row.clocks)


_DUE = text(
    "SELECT EXISTS (SELECT FROM outbox WHERE state = 'PENDING' AND due_at <= :now AND coalesce(locked_until, due_at) <= :now"
    " AND channel <> 'jira')"  # those are the ticket desk's
    " AS messages, EXISTS (SELECT FROM escalations WHERE due_at <= :now) AS escalations,"
    " EXISTS (SELECT FROM sla_clocks WHERE warn_at <= :now AND due_at IS NOT NULL AND breached_at IS NULL)"
    " OR EXISTS (SELECT FROM sla_clocks WHERE due_at <= :now AND breached_at IS NULL)"
    " OR EXISTS (SELECT FROM incidents WHERE snoozed_until <= :now AND state NOT IN ('RESOLVED', 'CLOSED')) AS clocks"
)
