"""What the platform measures of itself beside requests: lag, rows, queues, breakers, daemon, logins. Read by /metrics (A12).

Read at most every few seconds, whoever asks; what cannot be read is left out, and `etlmon_up` says so.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import text

from domain.errors import EtlmonError
from domain.notification.message import Channel
from domain.vocabulary import Severity
from resources.breakers_postgres import identify_breaker
from resources.clock import utc_now
from resources.control_plane import ControlPlane
from resources.dagster_ticks import read_tick_ages
from resources.kept_lake import KeptLake
from resources.postgres.engine import transaction
from resources.postgres.url import DAGSTER_SCHEMA

_KEPT_S = 5.0
_STATES = ("CLOSED", "OPEN", "HALF_OPEN")
#: Every queue in one statement; each part is answered from a partial index of the rows that wait.
_QUEUES = """
SELECT 'push', '', count(*) FROM push_batches WHERE moved_at IS NULL
UNION ALL SELECT 'outbox', channel, count(*) FROM outbox WHERE state = 'PENDING' GROUP BY channel
UNION ALL SELECT 'dead', '', count(*) FROM outbox WHERE state = 'DEAD'
UNION ALL SELECT 'tickets', '', count(*) FROM tickets WHERE due_at <= now() AND NOT is_gone
UNION ALL SELECT 'alerts', '', count(*) FROM alerts WHERE status = 'FIRING' AND NOT is_drill
UNION ALL SELECT 'incidents', severity, count(*) FROM incidents WHERE state NOT IN ('RESOLVED', 'CLOSED') AND NOT is_drill
GROUP BY severity
"""


@dataclass(frozen=True, slots=True)
class Number:
    """One gauge: name without prefix, what it says, and its values by labels."""

    name: str
    text: str
    labels: tuple[str, ...]
    values: list[tuple[tuple[str, ...], float]]


class PlatformNumbers:
    """Gauges of the whole platform, not of this process."""

    def __init__(self, control: ControlPlane, lake: KeptLake) -> None:
        self._control = control
        self._lake = lake
        self._lock = threading.Lock()
        self._kept: list[Number] = []
        self._read_at = float("-inf")

    def read(self) -> list[Number]:
        """All of them, at most five seconds old."""
        with self._lock:
            if time.monotonic() - self._read_at > _KEPT_S:
                self._kept = list(self._read_now())
                self._read_at = time.monotonic()
            return self._kept

    def _read_now(self) -> Iterator[Number]:
        parts: list[tuple[str, Callable[[], list[Number]]]] = [
            ("records", lambda: [*self._read_records(), *self._read_queues()]),
            ("lake", self._read_lake),
            ("dagster", self._read_dagster),
        ]
        up: list[tuple[tuple[str, ...], float]] = []
        for name, read in parts:
            try:
                yield from read()
                up.append(((name,), 1.0))
            except EtlmonError:
                up.append(((name,), 0.0))
        yield Number("up", "Whether this storage could be read.", ("storage",), up)

    def _rows(self, sql: str) -> list[tuple[object, ...]]:
        with transaction(self._control.engine) as connection:
            connection.execute(text("SET LOCAL statement_timeout = 3000"))
            return [tuple(row) for row in connection.execute(text(sql)).all()]

    def _one(self, sql: str) -> float:
        return float(str(self._rows(sql)[0][0] or 0))

    def _labelled(self, sql: str) -> list[tuple[tuple[str, ...], float]]:
        return [(tuple(str(label) for label in row[:-1]), float(str(row[-1]))) for row in self._rows(sql)]

    def _read_records(self) -> list[Number]:
        funnel = self._rows(
            "SELECT coalesce(sum(received), 0), coalesce(sum(validated), 0), coalesce(sum(persisted), 0),"
            " coalesce(sum(archived), 0) FROM push_funnel WHERE minute > now() - interval '1 hour'"
        )[0]
        stages = ("received", "validated", "persisted", "archived")
        breakers = dict(self._labelled("SELECT name, position(left(state, 1) IN 'COH') FROM circuit_breakers"))
        return [
            Number(
                "push_signals_last_hour",
                "Pushed signals of the last hour by stage.",
                ("stage",),
                [((stage,), float(str(value))) for stage, value in zip(stages, funnel, strict=True)],
            ),
            _plain(
                "audit_head",
                "Sequence number of the newest audit entry.",
                self._one("SELECT max(sequence) FROM audit_entries"),
            ),
            _plain(
                "approvals_pending",
                "Loader versions that wait for approval.",
                self._one("SELECT count(*) FROM loader_versions WHERE state = 'PENDING'"),
            ),
            _plain(
                "login_failures_last_hour",
                "Refused logins of the last hour.",
                self._one(
                    "SELECT count(*) FROM login_audit WHERE outcome <> 'success' AND at > now() - interval '1 hour'"
                ),
            ),
            Number(
                "circuit_breaker_state",
                "1 for the state the breaker is in; breaker is its id in /api/v1/breakers, which names the address.",
                ("breaker", "kind", "state"),
                [
                    ((identify_breaker(name), name.partition(" ")[0], state), 1.0 if position == number else 0.0)
                    for (name,), position in breakers.items()
                    for number, state in enumerate(_STATES, start=1)
                ],
            ),
        ]

    def _read_queues(self) -> list[Number]:
        found = {(str(queue), str(part)): float(str(n)) for queue, part, n in self._rows(_QUEUES)}

        def parts(queue: str, known: list[str]) -> list[tuple[tuple[str, ...], float]]:
            """Those that wait, and zero for each known part where nothing does."""
            there = {**dict.fromkeys(known, 0.0), **{part: n for (name, part), n in found.items() if name == queue}}
            return [((part,), n) for part, n in there.items()]

        return [
            _plain(
                "push_batches_waiting", "Accepted batches that are not in the lake yet.", found.get(("push", ""), 0.0)
            ),
            Number(
                "outbox_messages_waiting",
                "Messages that have not gone out yet, by channel.",
                ("channel",),
                parts("outbox", [one.value for one in Channel]),
            ),
            _plain("dead_letters", "Messages given up on; people replay or leave them.", found.get(("dead", ""), 0.0)),
            _plain("tickets_due", "Tickets to be brought up to date by now.", found.get(("tickets", ""), 0.0)),
            _plain("alerts_firing", "Alerts that fire, without those of drills.", found.get(("alerts", ""), 0.0)),
            Number(
                "incidents_open",
                "Incidents not resolved or closed, by severity, without drills.",
                ("severity",),
                parts("incidents", [one.value for one in Severity]),
            ),
        ]

    def _read_lake(self) -> list[Number]:
        now = utc_now()
        lag = self._lake.query(
            "SELECT loader_code, greatest(0, epoch(?::TIMESTAMPTZ - complete_until)) AS lag_s FROM watermarks ORDER BY ALL",
            [now],
        )
        rows = self._lake.query(
            "SELECT loader_code, sum(signal_rows)::DOUBLE AS n FROM capture_attempts"
            " WHERE recorded_at > ?::TIMESTAMPTZ - INTERVAL 1 HOUR AND window_start > ?::TIMESTAMPTZ - INTERVAL 2 DAY"
            " GROUP BY ALL ORDER BY ALL",
            [now, now],
        )
        return [
            Number(
                "capture_lag_seconds",
                "How far a loader's watermark is behind.",
                ("loader",),
                [((code,), value) for code, value in lag.rows()],
            ),
            Number(
                "capture_rows_last_hour",
                "Signals captured in the last hour.",
                ("loader",),
                [((code,), value or 0.0) for code, value in rows.rows()],
            ),
        ]

    def _read_dagster(self) -> list[Number]:
        with transaction(self._control.engine) as connection:
            connection.execute(text("SET LOCAL statement_timeout = 3000"))
            ages = read_tick_ages(connection)
        if not ages and self._rows(f"SELECT to_regclass('{DAGSTER_SCHEMA}.daemon_heartbeats')")[0][0] is None:
            return []
        ticks: list[tuple[tuple[str, ...], float]] = [((name,), age) for name, age in ages.items()]
        beats = self._labelled(
            "SELECT daemon_type, extract(epoch FROM now() AT TIME ZONE 'utc' - max(timestamp))"
            f" FROM {DAGSTER_SCHEMA}.daemon_heartbeats GROUP BY daemon_type"
        )
        queued = self._one(f"SELECT count(*) FROM {DAGSTER_SCHEMA}.runs WHERE status = 'QUEUED'")
        return [
            _plain("dagster_runs_queued", "Runs that wait in Dagster's queue.", queued),
            Number("tick_age_seconds", "Time since the last tick of a schedule or sensor.", ("name",), ticks),
            Number("daemon_age_seconds", "Time since the last heartbeat of a Dagster daemon.", ("daemon",), beats),
        ]


def _plain(name: str, meaning: str, value: float) -> Number:
    return Number(name, meaning, (), [((), value)])
