"""5,000 events in one receive(), the review, and people at work while 105,000 alerts are open (D7, E1)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import text

from domain.access.permissions import Role
from domain.detection.alert_event import AlertEvent
from domain.incidents.lifecycle import Action, Request
from tests.benchmarks.platform_home import bench_platform
from tests.fakes.alert_world import NOON, AlertWorld, make_event, make_world
from tests.fakes.live_api import live_api
from tests.fakes.platform import Platform

TITLE = "Alerts"
_RECEIVE_S, _REVIEW_S, _ACKNOWLEDGE_S = 3.0, 1.0, 0.2


def run() -> list[dict[str, Any]]:
    """Real durability settings; everything that follows from the events in one transaction, messages left out."""
    with bench_platform() as platform:
        world = make_world(platform)
        rows = [
            _received(world, "5,000 events of 50 rules on 100 services", spread(0, 5_000)),
            _received(world, "the same 5,000 once more", spread(1, 5_000)),
            _received(world, "5,000 events of one rule on as many nodes", storm(2)),
        ]
        fill(world, 90_000)
        rows.append(_received(world, "5,000 more while 100,000 are open", spread(30, 10_000)[5_000:]))
        seconds = _timed(lambda: world.review(31))
        rows.append(_row("review, 105,000 alerts open", f"{seconds:.2f} s", _REVIEW_S, seconds))
        took = acknowledge(world)
        rows.append(_percentiles("acknowledging, 105,000 alerts open", took))
        rows += over_http(platform, world)
        world.engine.dispose()
    return rows


def _received(world: AlertWorld, name: str, events: list[AlertEvent]) -> dict[str, Any]:
    started = time.perf_counter()
    found = world.receive(*events)
    seconds = time.perf_counter() - started
    words = f"{seconds:.2f} s: {found.new_alerts:,} new, {len(found.opened)} incidents opened"
    return _row(name, words, _RECEIVE_S, seconds)


def _row(work: str, ours: str, target_s: float, seconds: float) -> dict[str, Any]:
    return {"work": work, "ours": ours, "peer": "-", "target": f"< {target_s:g} s", "met": seconds < target_s}


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def spread(minutes: float, count: int) -> list[AlertEvent]:
    return [
        make_event(minutes, rule=f"rule-{k % 50}", service=f"svc-{k // 50 % 100}", pod=f"p-{k // 5000}")
        for k in range(count)
    ]


def storm(minutes: float) -> list[AlertEvent]:
    return [make_event(minutes, rule="disk-full", node=f"node-{k}") for k in range(5_000)]


def fill(world: AlertWorld, count: int) -> None:
    """Alerts that were there before, a hundred to an incident."""
    with world.transaction() as connection:
        connection.execute(
            text(
                "INSERT INTO incidents (title, severity, category, service, state, labels, onset_at, opened_at, last_alert_at)"
                " SELECT 'old', 'HIGH', 'transaction', 'old-' || k, 'OPEN', jsonb_build_object('root', 'service:old-' || k),"
                " :at, :at, :at FROM generate_series(1, :count / 100) AS k"
            ),
            {"count": count, "at": NOON.replace(hour=1)},
        )
        connection.execute(
            text(
                "INSERT INTO alerts (fingerprint, source, rule_id, title, summary, severity, category, status, labels, onset_at,"
                " fired_at, detected_at, last_seen_at, incident_id) SELECT 'old-' || k, 'rule', 'old', 'old', '', 'HIGH', 'transaction',"
                " 'FIRING', '{}', :at, :at, :at, :at, (SELECT max(incident_id) FROM incidents) - k / 101"
                " FROM generate_series(1, :count) AS k"
            ),
            {"count": count, "at": NOON.replace(hour=1)},
        )
    with world.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE alerts"))


def over_http(platform: Platform, world: AlertWorld) -> list[dict[str, Any]]:
    """As somebody at a terminal or a page meets it: with messages, escalation and audit behind each change."""
    codes = [
        f"INC-{row.incident_id}"
        for row in world.rows(
            "SELECT incident_id FROM incidents WHERE state = 'OPEN' ORDER BY incident_id DESC LIMIT 51"
        )
    ]
    with live_api(platform.settings, platform.url) as api:
        api.add_user("olga", Role.OPERATOR)
        headers = api.bearer("olga")

        def act(code: str) -> None:
            answer = api.client.post(
                f"/api/v1/incidents/{code}/actions", json={"action": "acknowledge"}, headers=headers
            )
            assert answer.json()["isChange"]

        def look(path: str) -> None:
            assert api.client.get(f"/api/v1/incidents{path}", headers=headers).status_code == 200

        act(codes.pop())  # rules are read at the first change
        took = [_timed(lambda one=one: act(one)) for one in codes]
        lists = [_timed(lambda: look("?is_open=true&limit=50")) for _ in range(20)]
        pages = [_timed(lambda one=one: look(f"/{one}")) for one in codes[:20]]
    return [_percentiles("acknowledging over HTTP, 105,000 alerts open", took),
            _percentiles("the list of open incidents over HTTP", lists),
            _percentiles("one incident over HTTP", pages)]  # fmt: skip


def _percentiles(work: str, took: list[float]) -> dict[str, Any]:
    words = f"p50 {statistics.median(took) * 1000:.0f} ms, worst {max(took) * 1000:.0f} ms"
    return _row(work, words, _ACKNOWLEDGE_S, max(took))


def acknowledge(world: AlertWorld) -> list[float]:
    """Seconds of each of fifty."""
    rows = world.rows("SELECT incident_id FROM incidents WHERE state = 'OPEN' ORDER BY incident_id DESC LIMIT 50")

    def act(incident_id: int) -> None:
        with world.transaction() as connection:
            world.incidents.act(connection, incident_id, Request(Action.ACKNOWLEDGE, "ann", "api", NOON))

    return [_timed(lambda one=row.incident_id: act(one)) for row in rows]
