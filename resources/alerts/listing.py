"""Alerts as lists and one by one, for API and command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from domain.detection.alert_event import AlertStatus
from domain.errors import NotFoundError
from domain.vocabulary import Severity

COLUMNS = (
    "alert_id, fingerprint, source, rule_id, title, summary, severity, category, status, labels, annotations, value, threshold,"
    " series_id, onset_at, fired_at, detected_at, last_seen_at, resolved_at, occurrences, incident_id, suppressed_by, is_flapping,"
    " is_drill, verdict, verdict_by, verdict_at"
)


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """What is wanted; None leaves it open."""

    status: AlertStatus | None = None
    severity: Severity | None = None
    rule_id: str | None = None
    incident_id: int | None = None
    is_held_back: bool | None = None
    label: tuple[str, str] | None = None


def list_alerts(
    connection: Connection, wanted: AlertFilter, *, limit: int, before: int | None = None
) -> list[dict[str, Any]]:
    """Newest first; `before` is an alert's number."""
    clauses = {
        "status = :status": wanted.status and wanted.status.value,
        "severity = :severity": wanted.severity and wanted.severity.value,
        "rule_id = :rule": wanted.rule_id,
        "incident_id = :incident": wanted.incident_id,
        "(suppressed_by IS NOT NULL) = :held": wanted.is_held_back,
        "alert_id < :before": before,
        "(labels->>CAST(:label AS text)) = :value": wanted.label,
    }
    used = [clause for clause, value in clauses.items() if value is not None] or ["true"]
    label, value = wanted.label or ("", "")
    rows = connection.execute(
        text(f"SELECT {COLUMNS} FROM alerts WHERE {' AND '.join(used)} ORDER BY alert_id DESC LIMIT :limit"),
        {
            "status": wanted.status,
            "severity": wanted.severity,
            "rule": wanted.rule_id,
            "incident": wanted.incident_id,
            "held": wanted.is_held_back,
            "before": before,
            "label": label,
            "value": value,
            "limit": limit,
        },
    )
    return [dict(row) for row in rows.mappings()]


def get_alert(connection: Connection, alert_id: int) -> dict[str, Any]:
    """One alert with its decisions, oldest first.

    Raises:
        NotFoundError: there is none.
    """
    row = (
        connection.execute(text(f"SELECT {COLUMNS} FROM alerts WHERE alert_id = :id"), {"id": alert_id})
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise NotFoundError(f"there is no alert {alert_id}", suggestion="`etlmon alert list` shows the newest")
    decisions = connection.execute(
        text("SELECT at, kind, reason FROM alert_decisions WHERE alert_id = :id ORDER BY decision_id"), {"id": alert_id}
    ).mappings()
    return {**row, "decisions": [dict(one) for one in decisions]}
