"""Delivery: the crash matrix, a storm of 5,000 incidents within a minute, and the time from an open incident to the channel (H7)."""

from __future__ import annotations

import os
import time
from collections import Counter, defaultdict
from typing import Any
from unittest import mock

import numpy as np
from dagster import SkipReason, build_sensor_context
from sqlalchemy import text

from domain.notification.message import Channel, Message, Receipt
from domain.vocabulary import Severity
from resources.clock import utc_now
from resources.dagster_bindings import PlatformResource
from resources.postgres.engine import transaction
from sensors.duty import DUTY_SENSORS
from sensors.notification import NOTIFICATION_SENSORS
from sensors.tickets import tickets_due
from tests.benchmarks.platform_home import bench_platform
from tests.fakes.crash_matrix import run_matrix
from tests.fakes.notification import estate_on
from tests.fakes.platform import Platform

TITLE = "Delivery"
_ROUND_DONE = text(
    "INSERT INTO detection_marks (name, evaluated_until, detail)"
    " VALUES ('duty', :now, jsonb_build_object('since', CAST(:now AS timestamptz)))"
)
_KEYLESS = (Channel.VOICE, Channel.SMS, Channel.SLACK)
RUNS, STORM, TICK_S, OPENED = 200, 5_000, 5, 100


class TimingChannel:
    """Notes when each message is handed over."""

    def __init__(self) -> None:
        self.at: dict[int, float] = {}

    def send(self, message: Message) -> Receipt:
        self.at.setdefault(message.facts["incident_id"], time.perf_counter())
        return Receipt("timed", is_delivered=True)


def run() -> list[dict[str, Any]]:
    """Each part on a database of its own."""
    rows = []
    for part in (_crashes, _storm, _latency, _ticks):
        with bench_platform() as platform:
            rows += part(platform)
    return rows


def _crashes(platform: Platform) -> list[dict[str, Any]]:
    """Killed at each step; what a receiver shows twice is what it can neither tell apart by key nor be asked for."""
    matrix = run_matrix(platform, RUNS)
    work = f"kill -9 at each of {len(matrix.by_step)} steps, {matrix.runs} runs, {matrix.messages:,} messages"
    shown = f"{len(matrix.lost)} lost, {len(matrix.strangers)} of what was rolled back, {matrix.late} escalations late"
    told = {channel: count for channel, count in matrix.doubles.items() if count}
    shown_twice = sum(told.get(channel, 0) for channel in _KEYLESS)
    return [
        {
            "work": work,
            "ours": shown,
            "peer": "Alertmanager: at least once",
            "target": "0 lost",
            "met": not (matrix.lost or matrix.strangers or matrix.late),
        },
        {
            "work": "posted a second time by a channel whose provider knows no key (call, SMS, Slack)",
            "ours": f"{shown_twice} ({100 * shown_twice / matrix.messages:.2f} %)",
            "peer": "–",
            "target": "0.1 %",
            "met": shown_twice <= matrix.messages / 1000,
        },
        {
            "work": "posted a second time under the same key or Message-ID (mail, webhook, PagerDuty, Opsgenie)",
            "ours": f"{sum(told.values()) - shown_twice}, {matrix.unmarked} of all not marked as possibly repeated",
            "peer": "–",
            "target": "0 unmarked",
            "met": matrix.unmarked == 0,
        },
    ]


def _storm(platform: Platform) -> list[dict[str, Any]]:
    """5,000 incidents within a minute, one in fifty CRITICAL; delivery each five seconds, then two quiet minutes."""
    with estate_on(platform) as estate:
        critical, slowest, number = set(), 0.0, 0
        for _ in range(60 // TICK_S):
            with transaction(estate.engine) as connection:
                for _ in range(-(-STORM * TICK_S // 60)):
                    severity = Severity.CRITICAL if number % 50 == 0 else Severity.HIGH
                    view = estate.open_in(connection, severity, service=f"s{number}")
                    critical |= {view.code} if severity is Severity.CRITICAL else set()
                    number += 1
            began = time.perf_counter()
            estate.tick(TICK_S)
            slowest = max(slowest, time.perf_counter() - began)
        for _ in range(24):
            estate.tick(TICK_S)
        sent = estate.sent()
        most = max(Counter((one.channel, one.recipient) for one in sent).values())
        named = {one.facts.get("code") for one in sent}
        named |= {one["code"] for message in sent for one in message.facts.get("critical", [])}
        waiting = len(estate.rows("state = 'PENDING'"))
    return [
        {
            "work": f"storm: {number:,} incidents in a minute, {len(critical)} CRITICAL",
            "ours": f"{most} messages at most per person and channel in 3 min, {len(critical - named)} CRITICAL unnamed, {waiting} left",
            "peer": "–",
            "target": "bounded (20), 0 unnamed",
            "met": most <= 20 and critical <= named,
        },
        {
            "work": "slowest tick of delivery within it",
            "ours": f"{slowest:.2f} s",
            "peer": "–",
            "target": f"under {TICK_S} s",
            "met": slowest < TICK_S,
        },
    ]


def _latency(platform: Platform) -> list[dict[str, Any]]:
    """One incident at a time: from before its transaction to the first channel's send, the tick of the job not counted."""
    with estate_on(platform) as estate:
        channel, began = TimingChannel(), {}
        estate.channels.update(dict.fromkeys(Channel, channel))  # type: ignore[arg-type]
        for _ in range(OPENED):
            estate.later(120)
            started = time.perf_counter()
            began[estate.open(Severity.CRITICAL).incident_id] = started
            estate.deliver()
        taken = [channel.at[incident_id] - at for incident_id, at in began.items()]
    p50, p95 = np.percentile(taken, [50, 95]) * 1000
    return [
        {
            "work": f"incident opened → first message handed to the channel, {OPENED} times, in process",
            "ours": f"p50 {p50:.0f} ms, p95 {p95:.0f} ms",
            "peer": "–",
            "target": "p95 under 15 s with the job's tick",
            "met": bool(p95 < 5_000),
        }
    ]


def _ticks(platform: Platform) -> list[dict[str, Any]]:
    """Every sensor of notification, tickets and duty while nothing is due, as the daemon evaluates them."""
    sensors = [*NOTIFICATION_SENSORS, tickets_due, *DUTY_SENSORS]
    own = {"ETLMON_HOME": str(platform.settings.home), "ETLMON_DATABASE_URL": platform.url.render()}
    taken: dict[str, list[float]] = defaultdict(list)
    with estate_on(platform) as estate, transaction(estate.engine) as connection:
        connection.execute(_ROUND_DONE, {"now": utc_now()})
    with mock.patch.dict(os.environ, own):
        for sensor in sensors * 9:
            began = time.perf_counter()
            asked = sensor(build_sensor_context(resources={"platform": PlatformResource()}))
            taken[sensor.name].append(1000 * (time.perf_counter() - began))
            assert isinstance(asked, SkipReason), sensor.name
    usual = {name: float(np.median(some)) for name, some in taken.items()}
    name = max(usual, key=lambda one: usual[one])
    whole = sum(usual.values())
    return [
        {
            "work": f"{len(sensors)} sensors, nothing due: a round of ticks",
            "ours": f"{whole:.0f} ms, slowest {name} {usual[name]:.0f} ms (first time {max(map(max, taken.values())):.0f} ms)",
            "peer": "–",
            "target": "under 1 s",
            "met": whole < 1_000,
        }
    ]
