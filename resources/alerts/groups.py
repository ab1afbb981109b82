"""Open incidents as correlation sees them: those near in time, and those about the places that alerts name."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from domain.detection.correlation import CorrelationPolicy, Group, Member, is_saturation, locate_by_policy
from domain.detection.service_graph import Places, ServiceGraph
from resources.alerts.rows import COLUMNS, AlertRow, as_alert

_MOST_INCIDENTS = 500
_MOST_ALERTS = 30
_OPEN = text(
    "SELECT incident_id, labels->>'root' AS root, onset_at, last_alert_at, is_drill, opened_at, root_alert_id, state,"
    " labels ?| ARRAY['split_from', 'split_into'] AS is_split"
    " FROM incidents AS i WHERE state NOT IN ('RESOLVED', 'CLOSED') AND merged_into IS NULL"
    " AND (last_alert_at >= :since OR labels->>'root' = ANY(:places)) ORDER BY last_alert_at DESC, incident_id DESC LIMIT :most"
)
_MEMBERS = text(
    f"SELECT {COLUMNS} FROM unnest(CAST(:ids AS bigint[])) AS i (incident_id) CROSS JOIN LATERAL (SELECT * FROM alerts AS b"
    " WHERE b.incident_id = i.incident_id ORDER BY b.status, b.alert_id LIMIT :most) AS a"
)


def as_members(rows: Iterable[AlertRow], graph: ServiceGraph, policy: CorrelationPolicy) -> list[Member]:
    """Alerts as correlation looks at them, in the same order."""
    found = list(rows)
    words = [row.words for row in found]
    saturated, known = is_saturation(policy, words), locate_by_policy(policy, words)
    return [
        Member(
            alert_id=row.alert_id,
            rule_id=row.rule_id,
            title=row.title,
            summary=row.summary,
            severity=row.severity,
            category=row.category,
            onset_at=row.onset_at,
            fired_at=row.fired_at,
            places=Places(place) if place else graph.locate(row.labels, row.rule_id),
            is_saturation=is_full,
            is_drill=row.is_drill,
            is_firing=row.is_firing,
        )
        for row, is_full, place in zip(found, saturated, known, strict=True)
    ]


def read_groups(
    connection: Connection, alerts: Iterable[Member], graph: ServiceGraph, policy: CorrelationPolicy, *, now: datetime
) -> tuple[list[Group], list[AlertRow]]:
    """Open incidents that could be meant, with their alerts; and those alerts as rows."""
    own = {place for one in alerts for place in one.places.all} | {f"storm:{one.rule_id}" for one in alerts}
    near = {place for one in own for place in (*graph.dependencies(one), *graph.dependents(one))}
    since = now - timedelta(seconds=policy.window_s)
    open_ones = connection.execute(_OPEN, {"since": since, "places": list(own | near), "most": _MOST_INCIDENTS}).all()
    found = connection.execute(_MEMBERS, {"ids": [one.incident_id for one in open_ones], "most": _MOST_ALERTS})
    rows = [as_alert(row._mapping) for row in found]  # noqa: SLF001 - the public name of SQLAlchemy's rows
    by_incident: dict[int | None, list[Member]] = {}
    for row, member in zip(rows, as_members(rows, graph, policy), strict=True):
        by_incident.setdefault(row.incident_id, []).append(member)
    groups = [
        Group(
            incident_id=one.incident_id,
            root_place=one.root or "",
            onset_at=one.onset_at,
            last_at=one.last_alert_at,
            is_drill=one.is_drill,
            opened_at=one.opened_at,
            root_alert_id=one.root_alert_id,
            is_untouched=one.state == "OPEN" and not one.is_split,
            members=by_incident.get(one.incident_id, []),
        )
        for one in open_ones
    ]
    return groups, rows
