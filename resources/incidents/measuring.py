"""Incidents of a period as frames, for the measures and the compliance report (E3)."""

from __future__ import annotations

from datetime import datetime

import polars as pl
from sqlalchemy import Connection, text

from domain.incidents.compliance import CLOCKS, ComplianceReport, compute_compliance
from domain.incidents.measures import FAULTS, Measured, compute_measures

# A fault is an incident with all that were merged into it. It counts where its first opening lies.
_FAULTS = text(
    "WITH RECURSIVE up AS (SELECT incident_id, merged_into FROM incidents WHERE opened_at >= :start AND opened_at < :end"
    " UNION SELECT i.incident_id, i.merged_into FROM up JOIN incidents AS i ON i.incident_id = up.merged_into),"
    " family AS (SELECT incident_id AS root, incident_id FROM up WHERE merged_into IS NULL"
    " UNION SELECT f.root, i.incident_id FROM family AS f JOIN incidents AS i ON i.merged_into = f.incident_id),"
    " fault AS (SELECT f.root, min(m.opened_at) AS opened_at, min(m.acknowledged_at) AS acknowledged_at,"
    " min(m.onset_at) FILTER (WHERE NOT m.labels ? 'split_from' AND NOT (m.labels ? 'onset' AND m.onset_at >= m.opened_at)) AS onset_at"
    " FROM family AS f JOIN incidents AS m USING (incident_id) GROUP BY f.root"
    " HAVING min(m.opened_at) >= :start AND min(m.opened_at) < :end)"
    " SELECT r.severity, r.is_drill, f.onset_at, f.opened_at, coalesce((SELECT max(e.at) FROM incident_events AS e"
    " WHERE r.reopened_count > 0 AND e.incident_id = r.incident_id AND e.kind = 'reopen' AND e.at <= f.acknowledged_at), f.opened_at)"
    " AS awaited_at, f.acknowledged_at, r.mitigated_at, r.resolved_at FROM fault AS f JOIN incidents AS r ON r.incident_id = f.root"
)
_CLOCKS = text(
    "SELECT c.incident_id, i.title, i.severity, c.measure, c.target_s, c.elapsed_s, c.running_since, c.breached_at, c.stopped_at,"
    " i.opened_at FROM incidents AS i JOIN sla_clocks AS c USING (incident_id)"
    " WHERE i.opened_at >= :start AND i.opened_at < :end AND i.merged_into IS NULL AND NOT i.is_drill"
)


def measure_incidents(connection: Connection, *, start: datetime, end: datetime) -> list[Measured]:
    """MTTD, MTTA, time to mitigate and MTTR of the faults first opened in [start, end)."""
    rows = connection.execute(_FAULTS, {"start": start, "end": end}).mappings().all()
    return compute_measures(pl.DataFrame([dict(row) for row in rows], schema=FAULTS))


def report_compliance(
    connection: Connection, *, start: datetime, end: datetime, now: datetime, worst: int = 10
) -> ComplianceReport:
    """SLA targets of the incidents opened in [start, end), as they stand now."""
    rows = connection.execute(_CLOCKS, {"start": start, "end": end}).mappings().all()
    return compute_compliance(pl.DataFrame([dict(row) for row in rows], schema=CLOCKS), now=now, worst=worst)
