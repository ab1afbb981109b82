"""The estate's log lines as documents: a pure function of (seed, faults, day). How they are shipped is `log_feed.py`.

A line has an instant (@timestamp) and an instant of arrival (event.ingested); the two differ by seconds, or by minutes
while the fault late-data is active. Document ids are stable, so shipping a line twice creates it once.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from resources.rule_files import load_rule_file
from resources.simulator.fault_model import Condition, Conditions, FaultCatalogue, FaultLog, FaultWindow
from resources.simulator.grid import Floats
from resources.simulator.noise import compute_key, day_generator
from resources.simulator.season import DAY_S, compute_business_season
from resources.simulator.topology import SHIPPED_RULES, Frozen, Topology

MINUTES_PER_DAY = 1440
MOST_WEIGHT = 4.0
VARIABLES: dict[str, tuple[str, ...]] = {
    "method": ("GET", "GET", "GET", "POST", "PUT"),
    "path": ("/api/loaders", "/api/signals", "/api/signals?window=1h", "/api/import", "/api/auth/login"),
    "user": ("admin", "operator1", "operator2", "viewer1", "m.rossi", "a.khan", "j.doe", "svc-loader"),
    "role": ("ADMIN", "OPERATOR", "VIEWER"),
    "table": ("signals", "loader_versions", "signal_archive", "audit_trail", "loader_runs"),
    "file": ("loaders_q4.xlsx", "bulk_update.xlsx", "loaders-final(2).xlsx", "import.xlsx"),
    "service": ("auth", "loader", "import-export"),
}


class LogKind(Frozen):
    """One usual kind of line."""

    service: str
    level: str
    per_day: float
    rhythm: Literal["business", "flat"]
    message: str
    error_type: str = ""


class LogMessages(Frozen):
    """`rules/estate/log_messages.yaml`."""

    kinds: list[LogKind] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class LogLine:
    """One document with the instant of its arrival (epoch seconds)."""

    doc_id: str
    at_s: float
    ingested_s: float
    document: dict[str, Any]


def load_log_messages(rules: Path = SHIPPED_RULES) -> LogMessages:
    """The shipped kinds, or an operator's."""
    return load_rule_file(rules / "estate" / "log_messages.yaml", LogMessages)


class LogBook:
    """All lines of any day, usual ones and those of faults."""

    def __init__(self, topology: Topology, messages: LogMessages, catalogue: FaultCatalogue, *, seed: int) -> None:
        self._topology, self._messages, self._catalogue, self._seed = topology, messages, catalogue, seed

    def compute_day(self, day: int, windows: tuple[FaultWindow, ...]) -> list[LogLine]:
        """Lines whose instant lies in the day (days since the epoch), in order of arrival."""
        conditions = Conditions(self._catalogue, windows)
        lines = [line for i, kind in enumerate(self._messages.kinds) for line in self._usual(i, kind, day, conditions)]
        for window in windows:
            if window.started_s < (day + 1) * DAY_S and window.ended_s > day * DAY_S:
                lines += self._of_fault(window, day, conditions)
        return sorted(lines, key=lambda line: line.ingested_s)

    def _usual(self, index: int, kind: LogKind, day: int, conditions: Conditions) -> Iterator[LogLine]:
        name = f"log/{index}/{kind.service}/{kind.error_type}"
        random = day_generator(self._seed, name, day)
        minutes = day * DAY_S + (np.arange(MINUTES_PER_DAY) + 0.5) * 60.0
        weight = (
            compute_business_season(minutes.astype(np.float64))
            if kind.rhythm == "business"
            else np.ones(MINUTES_PER_DAY)
        )
        count = random.poisson(kind.per_day * min(float(weight.mean()), MOST_WEIGHT))
        minute = np.searchsorted(np.cumsum(weight) / weight.sum(), random.random(count))
        times = np.sort(day * DAY_S + (minute + random.random(count)) * 60.0)
        yield from self._lines(name, kind, times, conditions)

    def _of_fault(self, window: FaultWindow, day: int, conditions: Conditions) -> Iterator[LogLine]:
        for i, log in enumerate(self._catalogue.find(window.fault).logs):
            name = f"fault/{window.window_id}/{i}"
            gap_s = 60.0 / log.per_min
            count = int((window.ended_s - window.started_s) / gap_s) + 1
            jitter = day_generator(self._seed, name, 0).random(count)
            times = window.started_s + (np.arange(count) + jitter) * gap_s
            here = (times < window.ended_s) & (times >= day * DAY_S) & (times < (day + 1) * DAY_S)
            yield from self._lines(name, log, times[here], conditions)

    def _lines(self, name: str, kind: LogKind | FaultLog, times: Floats, conditions: Conditions) -> Iterator[LogLine]:
        late = conditions.compute(Condition.INGEST_DELAY_S, "logs", times)
        for at_s, late_s in zip(times.tolist(), late.tolist(), strict=True):
            at = round(at_s, 3)
            key = compute_key(self._seed, name, at)
            random = np.random.Generator(np.random.SFC64(key))
            ingested = at + round(1.5 + 5.0 * random.random(), 3) + late_s
            yield LogLine(f"{key:016x}", at, ingested, self._document(kind, at, ingested, random))

    def _document(self, kind: LogKind | FaultLog, at_s: float, ingested_s: float, random: Any) -> dict[str, Any]:
        pods = self._topology.component[kind.service].pods
        correlation = f"{compute_key(self._seed, 'cid', int(at_s // 900), int(random.integers(12))):016x}"
        document: dict[str, Any] = {
            "@timestamp": _format_instant(at_s),
            "level": kind.level,
            "log": {"level": kind.level, "logger": f"com.etl.{kind.service}"},
            "service": {"name": kind.service},
            "message": self._render(kind.message, random, correlation),
            "correlationId": correlation,
            "kubernetes": {"pod": {"name": pods[int(random.integers(len(pods)))]}},
            "event": {"ingested": _format_instant(ingested_s)},
        }
        if kind.error_type:
            document["error"] = {"type": kind.error_type}
        return document

    def _render(self, template: str, random: Any, correlation: str) -> str:
        loaders = [loader.name for loader in self._topology.loaders]
        return "".join(
            text + ("" if name is None else _draw(name, random, correlation, loaders))
            for text, name, _, _ in string.Formatter().parse(template)
        )


def _draw(name: str, random: Any, correlation: str, loaders: list[str]) -> str:
    """One value of a variable of a message."""
    if name in VARIABLES:
        return VARIABLES[name][int(random.integers(len(VARIABLES[name])))]
    values = {
        "n": lambda: str(int(random.integers(2, 400))),
        "ms": lambda: str(int(random.lognormal(4.0, 0.8)) + 1),
        "ms_long": lambda: str(int(random.lognormal(8.0, 0.3)) + 1000),
        "pct": lambda: str(int(random.integers(51, 99))),
        "id": lambda: str(int(random.integers(100_000, 9_999_999))),
        "ip": lambda: f"10.{random.integers(0, 32)}.{random.integers(0, 256)}.{random.integers(1, 255)}",
        "cid": lambda: correlation,
        "loader": lambda: loaders[int(random.integers(len(loaders)))],
    }
    return values[name]()


def _format_instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
