"""Every fault of the estate once, through rules and alert desk: how many incidents, under which name, how many pages less (D7)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import text

from domain.detection.alert_event import AlertEvent, AlertStatus
from resources.simulator.fault_model import FaultWindow
from resources.simulator.grid import DAY_MS
from tests.benchmarks.platform_home import bench_platform
from tests.fakes.alert_world import AlertWorld, make_world
from tests.fakes.estate_detection import detect_in_estate, plan_faults
from tests.fakes.estate_signals import EstateSignals, compute_estate_signals

TITLE = "Correlation"
_MONDAY, _HISTORY_DAYS, _DAYS = 20_521, 3, 4
_STEP = timedelta(minutes=5)


def run() -> list[dict[str, Any]]:
    """22 faults, four hours apart."""
    start = datetime.fromtimestamp((_MONDAY + _HISTORY_DAYS) * 86_400, UTC)
    faults = plan_faults(start)
    begin_ms, start_ms = _MONDAY * DAY_MS, (_MONDAY + _HISTORY_DAYS) * DAY_MS
    judged = compute_estate_signals(start_ms, start_ms + _DAYS * DAY_MS, faults)
    events = detect_in_estate(compute_estate_signals(begin_ms, start_ms), judged, start=start)
    with bench_platform() as platform:
        world = make_world(platform)
        teach(world, judged, start)
        replay(world, events)
        show(world, faults)
        return judge(world, faults, events)


def show(world: AlertWorld, faults: Sequence[FaultWindow]) -> None:
    """One line per incident, for who wants to know more than the figure."""
    for row in world.rows("SELECT * FROM incidents ORDER BY 1"):
        at = row.opened_at.timestamp()
        fault = next((one.fault for one in faults if one.started_s - 300 <= at < one.ended_s + 3600), "–")
        into = " (merged)" if row.merged_into else ""
        print(f"  {fault:<20} {row.opened_at:%d %H:%M}  {row.severity:<8} {row.service:<14} {row.title}{into}")


def teach(world: AlertWorld, judged: EstateSignals, now: datetime) -> None:
    """The service graph, out of the labels as the lake has them."""
    names = [
        judged.series["labels"].str.json_path_match(f"$.{name}")
        for name in ("caller", "callee", "service", "pod", "node")
    ]
    edges: set[tuple[str, str, str]] = set()
    for caller, callee, service, pod, node in zip(*names, strict=True):
        if callee and (caller or service):
            edges.add((f"service:{caller or service}", f"service:{callee}", "calls"))
        if service and pod:
            edges.add((f"pod:{pod}", f"service:{service}", "member-of"))
        if service and node:
            edges.add((f"service:{service}", f"node:{node}", "runs-on"))
    with world.transaction() as connection:
        connection.execute(text("DELETE FROM service_edges"))
        connection.execute(
            text("INSERT INTO service_edges VALUES (:a, :b, :kind, :now)"),
            [{"a": a, "b": b, "kind": kind, "now": now} for a, b, kind in sorted(edges)],
        )


def replay(world: AlertWorld, events: Sequence[AlertEvent]) -> None:
    """Minute by minute, with a look at what is due in between."""
    due = None
    for at, some in groupby(events, key=lambda event: event.at.replace(second=0, microsecond=0)):
        now = at + timedelta(minutes=1)
        while due is not None and due + _STEP < now:
            due += _STEP
            with world.transaction() as connection:
                world.desk.review(connection, due)
        with world.transaction() as connection:
            world.desk.receive(connection, list(some), now=now)
        due = now


def judge(world: AlertWorld, faults: Sequence[FaultWindow], events: Sequence[AlertEvent]) -> list[dict[str, Any]]:
    """Incidents that stood for themselves, per fault; pages against one page per alert."""
    kept = world.rows("SELECT opened_at FROM incidents WHERE merged_into IS NULL")
    of_fault = [
        sum(one.started_s - 300 <= row.opened_at.timestamp() < one.ended_s + 3600 for row in kept) for one in faults
    ]
    fired = sum(event.status is AlertStatus.FIRING for event in events)
    pages = len(world.paged())
    each = sum(of_fault) / len(faults)
    fewer = 100 * (1 - pages / fired)
    return [
        {
            "work": f"{len(faults)} faults of the estate, four hours apart: incidents per fault",
            "ours": f"{each:.2f} ({of_fault.count(1)} faults with exactly one, {of_fault.count(0)} with none, worst {max(of_fault)})",
            "peer": "-", "target": "at most 1.3", "met": each <= 1.3,
        },
        {
            "work": f"pages instead of one for each of {fired} alerts",
            "ours": f"{pages}, {fewer:.0f} % fewer", "peer": "-", "target": "60 % fewer", "met": fewer >= 60,
        },
    ]  # fmt: skip
