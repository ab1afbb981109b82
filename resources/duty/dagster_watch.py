"""Whether Dagster ticks, asked from outside of it: a daemon that is dead cannot say so, and nothing that it runs can.

While it does not tick, escalation and delivery are done here, so that the alert about it reaches people.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Engine, text

from domain.detection.alert_event import AlertEvent, AlertStatus
from domain.detection.platform_events import platform_event
from domain.vocabulary import Severity
from resources import operations
from resources.dagster_ticks import read_tick_ages
from resources.postgres.engine import transaction
from resources.settings import Settings

DAGSTER_SILENT = "dagster-silent"
#: Sensors without which nobody is told of anything; they tick every few seconds.
WATCHED = ("messages_due", "escalations_due", "capture_finished")
SILENT_AFTER_S = 300.0
_LOCK = 4_918_233_014


def watch_dagster(settings: Settings, engine: Engine, *, now: datetime) -> list[str]:
    """Names of watched sensors that do not tick; one alert about them, and what they would have done is done.

    Nothing where Dagster never ran on this database. Several processes may call it: one of them works.
    """
    with transaction(engine) as connection:
        is_mine = connection.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}).scalar_one()
        if not is_mine:
            return []
        ages = {name: age for name, age in read_tick_ages(connection).items() if name in WATCHED}
        silent = sorted(name for name, age in ages.items() if age > SILENT_AFTER_S)
        is_told = _is_told(connection)
        event = describe_silence(silent, max(ages.values(), default=0.0), now=now)
        if silent or is_told:
            operations.receive_events_in(connection, settings, [event], now=now)
    if silent:
        operations.escalate_due(settings, engine, now=now)
        operations.deliver_due(settings, engine, now=now)
    return silent


def describe_silence(silent: list[str], age_s: float, *, now: datetime) -> AlertEvent:
    """The event about sensors that do not tick; its end where there are none."""
    return platform_event(
        DAGSTER_SILENT,
        "Dagster does not tick: nothing is captured, judged or sent",
        f"{', '.join(silent)} last ticked {age_s / 60:.0f} min ago. Is its daemon running? `etlmon status`; the API sends"
        " messages meanwhile.",
        at=now,
        status=AlertStatus.FIRING if silent else AlertStatus.RESOLVED,
        severity=Severity.CRITICAL,
        labels={"component": "dagster"},
    )


def _is_told(connection: Connection) -> bool:
    sql = text("SELECT EXISTS (SELECT 1 FROM alerts WHERE rule_id = :rule AND status = 'FIRING')")
    return bool(connection.execute(sql, {"rule": DAGSTER_SILENT}).scalar_one())
