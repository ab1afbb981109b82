"""What is a drill's and what is real, in the transactions of alert desk and escalation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, text

from domain.detection.alert_event import AlertEvent
from domain.drills.drill import Drill
from domain.drills.marking import SEPARATOR, drill_fingerprint, mark_events
from resources.alerts.rows import DecisionRow, matcher_words, write_decisions
from resources.drills.rows import find_open_drill

_OF_DRILL = "is_drill AND annotations->>'drill' = CAST(:id AS text)"


def mark_drill(connection: Connection, events: Sequence[AlertEvent]) -> list[AlertEvent]:
    """The events, those of the drill that is under way marked as its own."""
    drill = find_open_drill(connection) if events else None
    if drill is None:
        return list(events)
    names = [event.fingerprint for event in events]
    names += [drill_fingerprint(one, drill.drill_id) for one in names]
    firing = connection.execute(
        text("SELECT fingerprint FROM alerts WHERE status = 'FIRING' AND fingerprint = ANY(:names)"), {"names": names}
    ).scalars()
    words = [
        matcher_words(
            event.labels,
            rule_id=event.rule_id,
            severity=event.severity,
            category=event.category,
            source=event.source,
            metric=event.annotations.get("metric", ""),
        )
        for event in events
    ]
    return mark_events(events, words, drill.scope, firing=set(firing))


def read_stopped(connection: Connection) -> str | None:
    """The mark that holds back late symptoms of a drill that somebody stopped; None while there is none."""
    found = connection.execute(
        text("SELECT drill_id FROM drills WHERE state = 'ENDING' AND outcome = 'ABORTED'")
    ).scalar_one_or_none()
    return f"drill:{found}" if found is not None else None


def may_go_further(connection: Connection, incident_id: int) -> bool:
    """Whether the third line and the manager may be told: always of what is real, of a drill only where it was asked for."""
    row = connection.execute(
        text(
            "SELECT i.is_drill, d.is_escalating FROM incidents AS i LEFT JOIN drills AS d"
            " ON d.drill_id = CAST(i.labels->>'drill' AS bigint) WHERE i.incident_id = :id"
        ),
        {"id": incident_id},
    ).one()
    return not row.is_drill or bool(row.is_escalating)


def count_firing(connection: Connection, drill: Drill) -> int:
    """Alerts of the drill that fire still."""
    sql = text(f"SELECT count(*) FROM alerts WHERE status = 'FIRING' AND {_OF_DRILL}")
    return int(connection.execute(sql, {"id": drill.drill_id}).scalar_one())


def list_incidents(connection: Connection, drill: Drill) -> list[int]:
    """Its incidents, those that were merged away too."""
    sql = text("SELECT incident_id FROM incidents WHERE is_drill AND labels->>'drill' = CAST(:id AS text) ORDER BY 1")
    return list(connection.execute(sql, {"id": drill.drill_id}).scalars())


def release_outlivers(connection: Connection, drill: Drill, *, now: datetime) -> list[int]:
    """What fires on long after the end was no symptom: from now on it is real, and asks for an incident like any other alert."""
    sql = text(
        f"UPDATE alerts AS a SET is_drill = false, incident_id = NULL, suppressed_by = NULL, annotations = annotations - 'drill',"
        f" fingerprint = split_part(a.fingerprint, '{SEPARATOR}', 1) WHERE status = 'FIRING' AND {_OF_DRILL} AND NOT EXISTS ("
        f"SELECT 1 FROM alerts AS b WHERE b.status = 'FIRING' AND b.fingerprint = split_part(a.fingerprint, '{SEPARATOR}', 1))"
        " RETURNING alert_id"
    )
    freed = list(connection.execute(sql, {"id": drill.drill_id}).scalars())
    words = f"it fires on after the end of drill {drill.drill_id}: it is real"
    write_decisions(connection, [DecisionRow(one, "outlived-drill", words) for one in freed], now=now)
    return freed
