"""One evaluation of all rules on the newest samples, in one transaction with everything that follows from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson
from sqlalchemy import Connection, Engine, text

from domain.detection.alert_event import AlertEvent
from domain.detection.evaluation import Evaluated, evaluate_rules
from domain.detection.event_texts import compute_fingerprint, make_gone_event
from domain.detection.keyed import Firing
from domain.detection.rule_trouble import RULE_TROUBLE, judge_trouble
from domain.detection.window import SignalsWindow
from domain.errors import RuleFileError
from resources.detection.rule_store import RulesInForce, load_rules_in_force
from resources.detection.signals_window import read_window
from resources.lake.connection import Lake
from resources.postgres.engine import transaction

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
        read = read_window(lake, force.rules, marks, now=now)
        found = _evaluate(force, read.window, read_firing(connection), now=now)
        _write_firing(connection, found)
        _write_marks(connection, read.reached)
        receive(connection, found.events, force.broken, now)
    return _describe(force, read.window, found, seconds=time.perf_counter() - began)


def _evaluate(force: RulesInForce, window: SignalsWindow, before: list[Firing], *, now: datetime) -> Evaluated:
    """All rules, and which of them cannot be judged; files that cannot be read are the desk's to tell."""
    found = evaluate_rules(force.rules, window, [one for one in before if one.rule_id != RULE_TROUBLE], now=now)
    judged = {rule.id: rule for rule in force.rules if rule.id in force.muted and rule.is_judged}
    found.events.extend(
        make_gone_event(judged[one.rule_id], one, at=now)
        for one in before
        if one.rule_id in judged and not one.is_pending
    )
    reasons = {one.rule_id: one.reason for one in found.failed}
    trouble = judge_trouble(reasons, [one for one in before if one.rule_id == RULE_TROUBLE], now=now)
    found.events.extend(trouble.events)
    found.firing.extend(trouble.firing)
    return found


def _describe(force: RulesInForce, window: SignalsWindow, found: Evaluated, *, seconds: float) -> DetectionRun:
    return DetectionRun(
        len(force.rules), window.series.height, window.points.height, found.events, force.broken, seconds
    )


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
    """What fires now, and composites that are pending."""
    rows = connection.execute(
        text(
            "SELECT rule_id, labels, since, coalesce(fired_at, since) AS fired_at, state = 'PENDING' AS is_pending FROM rule_states"
        )
    ).all()
    return [Firing(row.rule_id, _identity(row.labels), row.since, row.fired_at, row.is_pending) for row in rows]


def _identity(labels: dict[str, str]) -> str:
    return orjson.dumps(labels, option=orjson.OPT_SORT_KEYS).decode()


def _write_firing(connection: Connection, found: Evaluated) -> None:
    connection.execute(text("DELETE FROM rule_states"))
    rows = [
        {
            "rule_id": one.rule_id,
            "fingerprint": compute_fingerprint(one.rule_id, one.identity),
            "since": one.since,
            "fired_at": one.fired_at,
            "labels": one.identity,
            "state": "PENDING" if one.is_pending else "FIRING",
        }
        for one in found.firing
    ]
    if rows:
        connection.execute(
            text(
                "INSERT INTO rule_states (rule_id, fingerprint, state, since, fired_at, labels)"
                " VALUES (:rule_id, :fingerprint, :state, :since, :fired_at, :labels)"
            ),
            rows,
        )
