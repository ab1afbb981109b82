"""A night with a fault: signals with a baseline in the lake, alerts, incidents in every state, messages with a dead letter, silences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from sqlalchemy import Engine, text

from domain.detection.alert_event import AlertEvent, AlertSource, AlertStatus, Category
from domain.incidents.lifecycle import Action, Request
from domain.signals import canonical_labels, compute_series_id
from domain.vocabulary import Severity
from resources.alerts.opening import open_alert_desk, open_incident_desk
from resources.alerts.services import AlertServices
from resources.analytics.baselines import refresh_baselines
from resources.clock import utc_now
from resources.control_plane import open_control_plane
from resources.postgres.engine import make_engine, transaction
from tests.fakes.platform import Platform

METRIC, LABELS = "db_pool_active", {"service": "loader", "pool": "main"}
SERIES_ID = compute_series_id("STATS-POOL", METRIC, canonical_labels(LABELS))
TITLE = "Connection pool of loader is exhausted"
MISSING_SERIES = {"disk": 4711}
_STEP = timedelta(minutes=5)
_BAD = timedelta(minutes=40)


def fill_signals(platform: Platform, *, now: datetime) -> None:
    """Eight days of a daily wave, and a jump over the limit `_BAD` ago."""
    at = pl.datetime_range(now - timedelta(days=8), now, _STEP, closed="left", eager=True)
    hours = at.dt.hour().to_numpy() + at.dt.minute().to_numpy() / 60
    wave = 40 + 20 * np.sin(2 * np.pi * hours / 24) + np.random.default_rng(4).normal(0, 2, len(at))
    value = np.where((at > now - _BAD).to_numpy(), 98.0, wave)
    signals = pl.DataFrame({"captured_at": at, "metric_value": value}).select(
        pl.lit(SERIES_ID, pl.Int64).alias("series_id"), "captured_at", "metric_value", ingested_at=pl.col("captured_at")
    )
    series = pl.DataFrame(
        {
            "series_id": [SERIES_ID], "loader_code": ["STATS-POOL"], "metric_name": [METRIC],
            "labels": [canonical_labels(LABELS)], "kind": ["gauge"], "unit": ["connections"], "step_s": [300.0],
            "first_seen_at": [now - timedelta(days=8)],
        }
    )  # fmt: skip
    platform.lake.insert("series", series)
    platform.lake.insert("signals", signals)
    refresh_baselines(platform.lake, now=now, history_days=1)


def make_alert(now: datetime, **changes: object) -> AlertEvent:
    """The pool is over its limit since `_BAD`; `changes` replace fields."""
    event = AlertEvent(
        fingerprint="pool/loader", status=AlertStatus.FIRING, at=now, onset_at=now - _BAD, fired_at=now - _BAD + _STEP,
        source=AlertSource.RULE, rule_id="connection-pool-exhausted", title=TITLE, summary="98 of 100 connections are in use",
        severity=Severity.CRITICAL, category=Category.INFRASTRUCTURE, labels=LABELS,
        annotations={"metric": METRIC, "runbook": "https://runbooks.example/pool"}, value=98.0, threshold=90.0,
        series_id=SERIES_ID,
    )  # fmt: skip
    return replace(event, **changes)


@contextmanager
def engine_of(platform: Platform) -> Iterator[Engine]:
    engine = make_engine(platform.url)
    try:
        yield engine
    finally:
        engine.dispose()


def fill_incidents(platform: Platform, *, hostile: str = "") -> datetime:
    """INC-1 is the fault, open; further ones in other states. The instant it was written at."""
    now = utc_now()
    fill_signals(platform, now=now)
    desk, incidents = open_alert_desk(platform.settings), open_incident_desk(platform.settings)
    early = now - _BAD + 3 * _STEP
    slow = make_alert(
        now, fingerprint="latency/loader", rule_id="api-latency-p99", title=f"Loads of loader are slow {hostile}",
        severity=Severity.HIGH, category=Category.TRANSACTION, value=5400.0, threshold=2000.0, series_id=None,
        labels={"service": "loader"}, annotations={"metric": "load_duration_p95_s"}, onset_at=now - _BAD + 2 * _STEP,
    )  # fmt: skip
    others = [
        ("disk", "Disk of archive is 91 % full", Severity.MEDIUM, ()),
        ("auth", f"Logins fail at auth {hostile}", Severity.HIGH, (Action.INVESTIGATE,)),
        ("gateway", "Error rate of gateway", Severity.HIGH, (Action.ACKNOWLEDGE, Action.MONITOR, Action.RESOLVE)),
    ]
    with engine_of(platform) as engine:
        with transaction(engine) as connection:
            desk.receive(connection, [make_alert(now, at=early), replace(slow, at=early)], now=early)
        for service, title, severity, actions in others:
            event = make_alert(
                now, at=now - _STEP, fingerprint=f"x/{service}", rule_id=f"{service}-rule", title=title, severity=severity,
                series_id=MISSING_SERIES.get(service), labels={"service": service}, annotations={},
            )  # fmt: skip
            with transaction(engine) as connection:
                (incident_id,) = desk.receive(connection, [event], now=now - _STEP).opened
                for action in actions:
                    incidents.act(connection, incident_id, Request(action, "olaf", "page", now, reason=hostile))
        with transaction(engine) as connection:
            connection.execute(
                text(
                    "UPDATE outbox SET state = 'DEAD', due_at = NULL, attempts = 5, last_error = :words WHERE message_id ="
                    " (SELECT min(message_id) FROM outbox)"
                ),
                {"words": f"the provider answered 400: no such number {hostile}"},
            )
    with open_control_plane(platform.settings, platform.url) as control:
        silences = AlertServices(control).silences
        pool = [{"label": "pool", "op": "=~", "value": "test.*"}]
        silences.add(
            pool, starts_at=None, ends_at=now + timedelta(hours=3), reason=f"load test {hostile}", actor="olga", now=now
        )
        silences.add_window(
            pool, title=f"Sunday upgrade {hostile}", reason="upgrade", actor="olga", now=now, cron="0 2 * * SUN", duration_s=3600,
            time_zone="Europe/Berlin",
        )  # fmt: skip
        silences.allow("disk-rule", pool, reason="known to be noisy", actor="olga", now=now)
    return now
