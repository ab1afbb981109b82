"""One evaluation of all rules on the newest samples, in one transaction with everything that follows from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import polars as pl
from sqlalchemy import Connection, Engine, text

from domain.detection.alert_event import AlertEvent
from domain.detection.evaluation import Evaluated, Firing, compute_fingerprint, evaluate_rules
from domain.detection.rule import Ratio, Rule
from domain.detection.window import SignalsWindow
from domain.errors import RuleFileError
from resources.detection.lake_evidence import LakeEvidence
from resources.detection.rule_store import RulesInForce, load_rules_in_force
from resources.lake.connection import Lake
from resources.postgres.engine import transaction

#: Older samples are history: they lengthen streaks, but nobody is woken for them.
CATCH_UP = timedelta(minutes=15)
_LOCK = 4_918_233_010
_MARK = "loader:"

#: Takes the events of an evaluation in its transaction: deduplication, incidents, messages.
Receive = Callable[[Connection, Sequence[AlertEvent], Sequence[RuleFileError], datetime], None]


@dataclass(frozen=True, slots=True)
class DetectionRun:
    """What one evaluation looked at and found."""

    rules: int
    series: int
    samples: int
    events: list[AlertEvent]
    broken: list[RuleFileError]
    seconds: float
    is_busy: bool = False


def detect(engine: Engine, lake: Lake, rules_folder: Path, receive: Receive, *, now: datetime) -> DetectionRun:
    """Judge the samples that arrived since the last call; a call while another one works does nothing."""
    began = time.perf_counter()
    with transaction(engine) as connection:
        is_mine = connection.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}).scalar_one()
        if not is_mine:
            return DetectionRun(0, 0, 0, [], [], time.perf_counter() - began, is_busy=True)
        force = load_rules_in_force(connection, rules_folder, now=now)
        marks = read_marks(connection)
        window, complete = read_window(lake, force.rules, marks, now=now)
        found = evaluate_rules(force.rules, window, read_firing(connection), now=now)
        _write_firing(connection, found)
        _write_marks(connection, complete)
        receive(connection, found.events, force.broken, now)
    return _describe(force, window, found, seconds=time.perf_counter() - began)


def _describe(force: RulesInForce, window: SignalsWindow, found: Evaluated, *, seconds: float) -> DetectionRun:
    return DetectionRun(
        len(force.rules), window.series.height, window.points.height, found.events, force.broken, seconds
    )


def read_window(
    lake: Lake, rules: Sequence[Rule], marks: dict[str, datetime], *, now: datetime
) -> tuple[SignalsWindow, dict[str, datetime]]:
    """The samples that the rules need, and per loader the instant up to which they are complete."""
    metrics = sorted({name for rule in rules for name in rule.series.metrics} | _divisors(rules))
    series = lake.query(
        "SELECT series_id, loader_code, metric_name, labels::VARCHAR AS labels FROM series WHERE list_contains(?, metric_name)",
        [metrics],
    )
    complete: dict[str, datetime] = dict(lake.query("SELECT loader_code, complete_until FROM watermarks").iter_rows())
    oldest = now - CATCH_UP
    decided = {code: max(marks.get(code, oldest), oldest) for code in complete}
    reach = timedelta(seconds=max((rule.window_s for rule in rules), default=0.0))
    since = min([*decided.values(), oldest]) - reach
    with lake.staged("_watched", series.select("series_id")):
        points = lake.query(
            "SELECT series_id, captured_at, metric_value FROM signals SEMI JOIN _watched USING (series_id)"
            " WHERE captured_at >= ? AND captured_at <= ?",
            [since, now + timedelta(minutes=5)],
        )
    window = SignalsWindow(
        series,
        points,
        LakeEvidence(lake, since=since, now=now),
        decided_until_us={code: _us(at) - 1 for code, at in decided.items()},
        complete_until_us={code: min(_us(at), _us(now)) for code, at in complete.items()},
    )
    return window, complete


def _divisors(rules: Sequence[Rule]) -> set[str]:
    return {name for rule in rules if isinstance(rule.when, Ratio) for name in rule.when.divisor.metrics}


def _us(at: datetime) -> int:
    return int(at.astimezone(UTC).timestamp() * 1e6)


def read_marks(connection: Connection) -> dict[str, datetime]:
    """Per loader the instant up to which its samples were judged."""
    rows = connection.execute(
        text("SELECT name, evaluated_until FROM detection_marks WHERE starts_with(name, :prefix)"), {"prefix": _MARK}
    )
    return {row.name.removeprefix(_MARK): row.evaluated_until for row in rows}


def _write_marks(connection: Connection, complete: dict[str, datetime]) -> None:
    rows = [{"name": _MARK + code, "at": at} for code, at in complete.items()]
    if rows:
        connection.execute(
            text(
                "INSERT INTO detection_marks (name, evaluated_until) VALUES (:name, :at)"
                " ON CONFLICT (name) DO UPDATE SET evaluated_until = greatest(detection_marks.evaluated_until, excluded.evaluated_until)"
            ),
            rows,
        )


def read_firing(connection: Connection) -> list[Firing]:
    """What fires now."""
    rows = connection.execute(
        text("SELECT rule_id, labels, since, fired_at FROM rule_states WHERE state = 'FIRING'")
    ).all()
    return [Firing(row.rule_id, _identity(row.labels), row.since, row.fired_at) for row in rows]


def _identity(labels: dict[str, str]) -> str:
    return orjson.dumps(labels, option=orjson.OPT_SORT_KEYS).decode()


def _write_firing(connection: Connection, found: Evaluated) -> None:
    """Rules that are gone or switched off fire no more; their alerts end with the next look of the alert desk."""
    connection.execute(text("DELETE FROM rule_states"))
    rows = pl.DataFrame(
        [
            {
                "rule_id": one.rule_id,
                "fingerprint": compute_fingerprint(one.rule_id, one.identity),
                "since": one.since,
                "fired_at": one.fired_at,
                "labels": one.identity,
            }
            for one in found.firing
        ]
    ).to_dicts()
    if rows:
        connection.execute(
            text(
                "INSERT INTO rule_states (rule_id, fingerprint, state, since, fired_at, labels)"
                " VALUES (:rule_id, :fingerprint, 'FIRING', :since, :fired_at, :labels)"
            ),
            rows,
        )
