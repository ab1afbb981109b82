"""Alerts and the decisions about them as rows: read and written many at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from domain.detection.alert_event import AlertStatus
from domain.vocabulary import Severity

_LOCK = 4_918_233_011
COLUMNS = (
    "a.alert_id, a.fingerprint, a.source, a.rule_id, a.title, a.summary, a.severity, a.category, a.status, a.labels, a.annotations,"
    " a.value, a.threshold, a.onset_at, a.fired_at, a.last_seen_at, a.resolved_at, a.occurrences, a.incident_id, a.suppressed_by,"
    " a.is_flapping, a.is_drill"
)


@dataclass(slots=True)
class AlertRow:
    """One alert as it is stored."""

    alert_id: int
    fingerprint: str
    source: str
    rule_id: str
    title: str
    summary: str
    severity: Severity
    category: str
    status: AlertStatus
    labels: dict[str, str]
    annotations: dict[str, str]
    value: float | None
    threshold: float | None
    onset_at: datetime
    fired_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None
    occurrences: int
    incident_id: int | None
    suppressed_by: str | None
    is_flapping: bool
    is_drill: bool

    @property
    def is_firing(self) -> bool:
        """Whether the condition holds."""
        return self.status is AlertStatus.FIRING

    @property
    def words(self) -> dict[str, str]:
        """What matchers may ask for: the labels, and what the alert itself is."""
        return matcher_words(
            self.labels,
            rule_id=self.rule_id,
            severity=self.severity,
            category=self.category,
            source=self.source,
            metric=self.annotations.get("metric", ""),
        )


def matcher_words(
    labels: Mapping[str, str], *, rule_id: str, severity: str, category: str, source: str, metric: str
) -> dict[str, str]:
    """Labels of an alert with `rule`, `severity`, `category`, `source` and `metric` among them."""
    own = {"rule": rule_id, "severity": str(severity), "category": str(category), "source": str(source)}
    return {"alertname": rule_id, **labels, **own, **({"metric": metric} if metric else {})}


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """Why something was done with an alert, or was not."""

    alert_id: int
    kind: str
    reason: str


def hold_alerts(connection: Connection) -> None:
    """One after the other: whoever changes alerts waits here until the transaction before has ended."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def read_alerts(connection: Connection, where: str, values: Mapping[str, Any]) -> list[AlertRow]:
    """Alerts that a condition of ours (on `a`) means, oldest first."""
    rows = connection.execute(
        text(f"SELECT {COLUMNS} FROM alerts AS a WHERE {where} ORDER BY a.alert_id"), dict(values)
    )
    return [as_alert(row._mapping) for row in rows]  # noqa: SLF001 - the public name of SQLAlchemy's rows


def as_alert(row: Mapping[Any, Any]) -> AlertRow:
    """A row with COLUMNS."""
    values = {name: row[name] for name in AlertRow.__slots__}
    return AlertRow(**{**values, "severity": Severity(row["severity"]), "status": AlertStatus(row["status"])})


def as_json(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows for `jsonb_to_recordset`; what PostgreSQL cannot store is replaced by U+FFFD or a question mark."""
    found = json.dumps(list(rows), default=_plain)
    return json.dumps(_storable(json.loads(found))) if "\\u0000" in found or "\\ud" in found else found


def _storable(value: Any) -> Any:
    if isinstance(value, dict):
        return {_storable(key): _storable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_storable(inner) for inner in value]
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def write_decisions(connection: Connection, decisions: Sequence[DecisionRow], *, now: datetime) -> None:
    """Append what was decided."""
    if not decisions:
        return
    rows = [{"alert_id": one.alert_id, "kind": one.kind, "reason": one.reason} for one in decisions]
    connection.execute(
        text(
            "INSERT INTO alert_decisions (alert_id, at, kind, reason)"
            " SELECT alert_id, :now, kind, reason FROM jsonb_to_recordset(CAST(:rows AS jsonb))"
            " AS r (alert_id bigint, kind text, reason text)"
        ),
        {"rows": as_json(rows), "now": now},
    )


def write_marks(connection: Connection, marks: Mapping[int, str | None]) -> None:
    """Set what holds alerts back; None: nothing any more."""
    if not marks:
        return
    rows = [{"alert_id": alert_id, "mark": mark} for alert_id, mark in marks.items()]
    connection.execute(
        text(
            "UPDATE alerts AS a SET suppressed_by = r.mark FROM jsonb_to_recordset(CAST(:rows AS jsonb))"
            " AS r (alert_id bigint, mark text) WHERE a.alert_id = r.alert_id"
        ),
        {"rows": as_json(rows)},
    )


def write_incidents(connection: Connection, incidents: Mapping[int, int]) -> None:
    """Give alerts to incidents: alert id → incident id."""
    if not incidents:
        return
    rows = [{"alert_id": alert_id, "incident_id": incident_id} for alert_id, incident_id in incidents.items()]
    connection.execute(
        text(
            "UPDATE alerts AS a SET incident_id = r.incident_id FROM jsonb_to_recordset(CAST(:rows AS jsonb))"
            " AS r (alert_id bigint, incident_id bigint) WHERE a.alert_id = r.alert_id"
        ),
        {"rows": as_json(rows)},
    )
