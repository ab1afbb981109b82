"""What happened in a drill, read from alerts, timeline, outbox and clocks, and compiled into its report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from domain.drills.drill import Drill, DrillState
from domain.drills.report import DrillFacts, DrillStep, compile_steps
from domain.drills.scenario import DrillRules
from domain.incidents.view import incident_code
from resources.drills.telling_apart import list_incidents

_ALERTS = text(
    "SELECT count(*) AS alerts, min(onset_at) AS first_bad_at, min(detected_at) AS alert_at FROM alerts"
    " WHERE is_drill AND annotations->>'drill' = CAST(:id AS text)"
)
_INCIDENTS = text(
    "SELECT min(opened_at) AS opened_at, min(acknowledged_at) AS acknowledged_at, max(coalesce(resolved_at, closed_at)) FILTER"
    " (WHERE merged_into IS NULL) AS resolved_at, bool_and(state IN ('RESOLVED', 'CLOSED')) AS is_over FROM incidents"
    " WHERE incident_id = ANY(:ids)"
)
_MESSAGES = text(
    "SELECT channel, min(sent_at) AS at, count(*) AS messages, count(*) FILTER (WHERE state = 'DEAD') AS dead FROM outbox"
    " WHERE incident_id = ANY(:ids) AND kind IN ('opened', 'escalated') AND state <> 'CANCELLED' GROUP BY channel ORDER BY channel"
)
_EVENTS = text(
    "SELECT at, actor, kind, cause, detail FROM incident_events WHERE incident_id = ANY(:ids)"
    " AND kind IN ('acknowledge', 'investigate', 'remediate', 'monitor', 'paged', 'drill-spared') ORDER BY event_id"
)
_SLA = text("SELECT measure, min(target_s) AS target_s FROM sla_clocks WHERE incident_id = ANY(:ids) GROUP BY measure")


def compile_report(
    connection: Connection, drill: Drill, rules: DrillRules, *, outlivers: Sequence[int] = ()
) -> dict[str, Any]:
    """Steps with seconds and targets, and what else happened; as JSON keeps it. Also of a drill that is under way."""
    ids = list_incidents(connection, drill)
    values = {"id": drill.drill_id, "ids": ids}
    alerts = connection.execute(_ALERTS, values).one()
    messages = connection.execute(_MESSAGES, values).all()
    facts = _facts(connection, drill, values, alerts, {row.channel: row.at for row in messages})
    steps = compile_steps(facts, rules.targets)
    judged = [step for step in steps if step.is_met is not None]
    return {
        "steps": [step.as_dict() for step in steps],
        "targets_met": sum(bool(step.is_met) for step in judged),
        "targets_missed": [step.name for step in judged if not step.is_met],
        "alerts": alerts.alerts,
        "incidents": [incident_code(one) for one in ids],
        "messages": {row.channel: {"messages": row.messages, "dead": row.dead} for row in messages},
        "outlivers": list(outlivers),
    }


def _facts(
    connection: Connection,
    drill: Drill,
    values: dict[str, Any],
    alerts: Any,
    messages: dict[str, datetime | None],
) -> DrillFacts:
    incidents = connection.execute(_INCIDENTS, values).one()
    events = connection.execute(_EVENTS, values).all()
    taken = next((row for row in events if row.kind not in ("paged", "drill-spared")), None)
    return DrillFacts(
        injected_at=drill.started_at,
        ended_at=drill.ended_at,
        first_bad_at=alerts.first_bad_at,
        alert_at=alerts.alert_at,
        opened_at=incidents.opened_at,
        messages=messages,
        acknowledged_at=taken.at if taken else None,
        acknowledged_by=taken.actor if taken else "",
        acknowledged_via=taken.cause if taken else "",
        escalated_at=[row.at for row in events if row.kind == "paged" and row.detail.get("why") == "escalated"],
        spared=[str(row.detail.get("reason", "")) for row in events if row.kind == "drill-spared"],
        resolved_at=incidents.resolved_at if incidents.is_over else None,
        sla={row.measure: row.target_s for row in connection.execute(_SLA, values)},
        is_over=drill.state in (DrillState.ENDING, DrillState.OVER),
    )


def report_of(connection: Connection, drill: Drill, rules: DrillRules) -> dict[str, Any]:
    """The stored report of a drill that is over; else how it has gone so far."""
    return drill.report or compile_report(connection, drill, rules)


def describe_steps(report: dict[str, Any]) -> list[str]:
    """The report as lines of a terminal."""
    return [_line(DrillStep(**{**one, "at": _instant(one["at"])})) for one in report.get("steps", [])]


def _instant(written: str | None) -> datetime | None:
    return datetime.fromisoformat(written) if written else None


def _line(step: DrillStep) -> str:
    when = f"{step.at:%Y-%m-%d %H:%M:%S}" if step.at else "–"
    length = f"{step.seconds:8.1f} s after {step.since}" if step.seconds is not None else f"{'–':>8}"
    target = f"  target {step.target_s} s" if step.target_s is not None else ""
    verdict = {True: " met", False: " MISSED", None: ""}[step.is_met]
    note = f"  ({step.note})" if step.note else ""
    return f"{step.name:<26} {when:<19}  {length}{target}{verdict}{note}"
