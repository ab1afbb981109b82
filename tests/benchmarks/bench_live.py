"""Faults in the living platform: how long until each is an alert of an incident, and until the first message is handed over.

Waves of faults that do not hide each other, each on the demo as a user has it: captured every minute, in steps of one and
five minutes. It takes about forty minutes of waiting; ETLMON_LIVE_WAVES=1 runs the first wave only.
"""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, text

from resources.clock import utc_now
from resources.platform import open_database
from resources.postgres.embedded import remove_server_data
from resources.postgres.engine import make_engine, reading
from resources.settings import Settings
from tests.fakes.demo import Demo
from tests.fakes.estate_truth import TRUTH

TITLE = "Living estate"
WAVES = (
    ("connection-pool", "auth-failure-burst", "cpu-hog", "disk-fill", "restart-loop", "schema-change", "deadlocks"),
    ("slow-database", "loader-failures", "memory-leak", "gateway-timeouts"),
    ("error-burst", "breaker-flapping", "late-data"),
    ("missing-data", "dependency-failure"),
)
_PATIENCE_S = {"memory-leak": 1800.0}  # it leaks for twenty minutes before it is beyond any limit
_USUAL_PATIENCE_S = 720.0
_REST_S = 120.0


@dataclass(frozen=True, slots=True)
class _Found:
    """What became of a fault; None where nothing did."""

    fault: str
    injected_at: datetime
    onset_at: datetime | None = None
    detected_at: datetime | None = None
    incident: str = ""
    is_named_well: bool = False

    @property
    def seconds(self) -> float:
        """From the first bad sample, or the fault if that came later, until the alert stood in its incident."""
        if self.detected_at is None or self.onset_at is None:
            return float("inf")
        return (self.detected_at - max(self.onset_at, self.injected_at)).total_seconds()


def run() -> list[dict[str, Any]]:
    """One demo, wave after wave."""
    waves = WAVES[: int(os.environ.get("ETLMON_LIVE_WAVES", len(WAVES)))]
    with tempfile.TemporaryDirectory(prefix="etlmon-live-") as folder:
        home = Path(folder) / "home"
        demo = Demo(home, days=30)
        demo.start()
        try:
            with open_database(Settings(home=home, _env_file=None)) as url:
                engine = make_engine(url)
                found: list[_Found] = []
                for wave in waves:
                    found += _live_through(demo, wave, engine)
                with reading(engine) as connection:
                    handed = _read_handovers(connection)
                engine.dispose()
        finally:
            demo.stop(signal.SIGINT)
            remove_server_data(home)
    return _judge(found, handed)


def _live_through(demo: Demo, wave: tuple[str, ...], engine: Engine) -> list[_Found]:
    begun = {}
    for name in wave:
        demo.call("simulate", "fault", name, "--for", "60m")
        begun[name] = utc_now()
    found = {name: _Found(name, at) for name, at in begun.items()}
    until = time.monotonic() + max(_PATIENCE_S.get(name, _USUAL_PATIENCE_S) for name in wave)
    pause = threading.Event()
    while time.monotonic() < until and any(one.detected_at is None for one in found.values()):
        pause.wait(2.0)
        with reading(engine) as connection:
            for name, one in found.items():
                if one.detected_at is None:
                    found[name] = _look(connection, one)
    for name in wave:
        demo.call("simulate", "stop", name)
        one = found[name]
        print(
            f"  {name:<20} {one.seconds:6.1f} s  {one.incident:<8} {'' if one.is_named_well else 'not under its rule'}"
        )
    pause.wait(_REST_S)
    return list(found.values())


def _look(connection: Connection, one: _Found) -> _Found:
    rule, category, severity = TRUTH[one.fault]
    row = connection.execute(
        text(
            "SELECT onset_at, detected_at, incident_id, category, severity FROM alerts WHERE rule_id = :rule AND detected_at >= :at"
            " ORDER BY detected_at LIMIT 1"
        ),
        {"rule": rule, "at": one.injected_at},
    ).one_or_none()
    if row is None:
        return one
    is_named_well = (row.category, row.severity) == (category, severity) and row.incident_id is not None
    return _Found(one.fault, one.injected_at, row.onset_at, row.detected_at, f"INC-{row.incident_id}", is_named_well)


def _read_handovers(connection: Connection) -> list[float]:
    """Seconds from the opening of each incident to its first message at a provider."""
    rows = connection.execute(
        text(
            "SELECT extract(epoch FROM min(o.sent_at) - i.opened_at) AS seconds FROM incidents AS i JOIN outbox AS o USING"
            " (incident_id) WHERE o.kind = 'opened' AND o.sent_at IS NOT NULL GROUP BY i.incident_id, i.opened_at"
        )
    )
    return [float(row.seconds) for row in rows]


def _judge(found: list[_Found], handed: list[float]) -> list[dict[str, Any]]:
    seconds = [one.seconds for one in found]
    p95 = float(np.percentile(seconds, 95, method="higher"))
    named = sum(one.is_named_well for one in found)
    handover = float(np.percentile(handed, 95, method="higher")) if handed else float("inf")
    return [
        {
            "work": f"{len(found)} faults: first bad sample → alert in an incident, p95",
            "ours": f"{p95:.0f} s (median {float(np.median(seconds)):.0f})", "peer": "-", "target": "under 60 s", "met": p95 < 60,
        },
        {
            "work": "found under the right rule, category and severity",
            "ours": f"{named} of {len(found)}", "peer": "-", "target": "all", "met": named == len(found),
        },
        {
            "work": f"{len(handed)} incidents: opened → first message handed over, p95",
            "ours": f"{handover:.1f} s", "peer": "-", "target": "under 15 s", "met": handover < 15,
        },
    ]  # fmt: skip
