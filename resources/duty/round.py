"""One round of duty: notification and capture are looked at, what is found becomes alerts, what is mended is over (H6, H7)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, text

from domain.detection.alert_event import AlertEvent, AlertStatus
from domain.notification.message import Channel, MessageKind
from domain.notification.readiness import Weakness, plan_broadcast
from domain.vocabulary import SourceKind
from resources.alerts.opening import open_alert_desk
from resources.channels import channels_of
from resources.duty.capture_watch import watch_capture
from resources.duty.dagster_watch import describe_silence
from resources.encryption import load_cipher
from resources.incidents.rows import read_view
from resources.lake.connection import Lake
from resources.notification.auditor import RULE_ID, audit_notification, events_of, usable_channels
from resources.notification.rule_store import LoadedRules, RuleStore
from resources.notification.service import desk_of
from resources.postgres.engine import transaction
from resources.postgres.loaders_repository import LoadersRepository
from resources.settings import Settings

EVERY = timedelta(minutes=15)
_MARK = "duty"
_KEEP_MARK = text(
    "INSERT INTO detection_marks (name, evaluated_until, detail) VALUES (:name, :now, jsonb_build_object('since', CAST(:since AS text)))"
    " ON CONFLICT (name) DO UPDATE SET evaluated_until = excluded.evaluated_until, detail = excluded.detail"
)


@dataclass(frozen=True, slots=True)
class Round:
    """What was found. `is_configured`: some channel is set up; without one nobody is bothered, `etlmon doctor` says it."""

    is_configured: bool
    weaknesses: tuple[Weakness, ...]
    firing: int
    ended: int


def is_round_due(engine: Engine, *, now: datetime) -> bool:
    """Whether the last round is a quarter of an hour ago."""
    with transaction(engine) as connection:
        last = _read_mark(connection)
    return last is None or now - last[0] >= EVERY


def make_round(settings: Settings, engine: Engine, lake: Lake, *, now: datetime) -> Round:
    """Look at everything; alerts, incidents and messages follow in one transaction."""
    channels = channels_of(settings)
    active = LoadersRepository(engine, load_cipher(settings.home)).list_active()
    codes = [one.definition.code for one in active if one.definition.source is not SourceKind.PUSH]
    loaded = RuleStore(settings).load()
    desk = open_alert_desk(settings)
    with transaction(engine) as connection:
        since = _note_mark(connection, now=now)
        found = audit_notification(connection, loaded, channels, now=now)
        events = _changes(
            connection,
            [
                *events_of(connection, found if channels else [], now=now),
                watch_capture(lake, codes, since=since, now=now),
                describe_silence([], 0.0, now=now),  # whoever makes this round was started by it
            ],
        )
        desk.receive(connection, events, now=now)
        if channels and any(one.is_silence for one in found):
            _broadcast(connection, settings, loaded, channels, now=now)
    firing = sum(event.status is AlertStatus.FIRING for event in events)
    return Round(bool(channels), tuple(found), firing, len(events) - firing)


def _changes(connection: Connection, events: Sequence[AlertEvent]) -> list[AlertEvent]:
    """Without the ends of what does not fire."""
    names = [event.fingerprint for event in events if event.status is AlertStatus.RESOLVED]
    sql = text("SELECT fingerprint FROM alerts WHERE status = 'FIRING' AND fingerprint = ANY(:names)")
    firing = set(connection.execute(sql, {"names": names}).scalars())
    return [one for one in events if one.status is AlertStatus.FIRING or one.fingerprint in firing]


def _broadcast(
    connection: Connection, settings: Settings, loaded: LoadedRules, channels: Collection[Channel], *, now: datetime
) -> None:
    """Nobody would be told, so everybody who answers for others is told that, once per incident, by each channel that works."""
    sql = text(
        "SELECT a.incident_id FROM alerts AS a JOIN incidents AS i USING (incident_id) WHERE a.rule_id = :rule AND a.status = 'FIRING'"
        " AND a.severity = 'CRITICAL' AND i.state NOT IN ('RESOLVED', 'CLOSED') LIMIT 1"
    )
    incident_id = connection.execute(sql, {"rule": RULE_ID}).scalar_one_or_none()
    if incident_id is None:  # held back by a silence, or somebody closed it
        return
    view = read_view(connection, incident_id)
    pager = desk_of(settings, lambda: loaded.rules).pager(connection, view, now)
    usable = usable_channels(connection, channels)
    planned = plan_broadcast(loaded.rules, usable, cause=f"incident:{incident_id}:audit")
    pager.write(MessageKind.AUDIT, planned, reason="nobody would be told of an incident now")


def _read_mark(connection: Connection) -> tuple[datetime, datetime] | None:
    """The last round, and since when one followed the other."""
    row = connection.execute(
        text("SELECT evaluated_until, detail->>'since' AS since FROM detection_marks WHERE name = :name"),
        {"name": _MARK},
    ).one_or_none()
    return (row.evaluated_until, datetime.fromisoformat(row.since)) if row else None


def _note_mark(connection: Connection, *, now: datetime) -> datetime:
    """Since when the platform has been running without a pause, as far as rounds tell."""
    last = _read_mark(connection)
    since = last[1] if last and now - last[0] <= 2 * EVERY else now
    connection.execute(_KEEP_MARK, {"name": _MARK, "now": now, "since": since.isoformat()})
    return since
