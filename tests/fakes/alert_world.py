"""A platform with an alert desk, a clock that the test moves, and alerts of an invented estate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, text

from domain.detection.alert_event import AlertEvent, AlertSource, AlertStatus, Category
from domain.incidents.sla import SlaPolicy
from domain.incidents.view import IncidentView
from domain.vocabulary import Severity
from resources.alerts.desk import AlertDesk, Received, Reviewed
from resources.alerts.policy import load_correlation_policy
from resources.alerts.why import explain
from resources.incidents.desk import IncidentDesk
from resources.postgres.engine import make_engine, transaction
from resources.rule_files import load_rule_file, shipped_rules
from tests.fakes.platform import Platform

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
CALLS = [("gateway", "auth"), ("gateway", "loader"), ("gateway", "import-export"), ("auth", "postgres"), ("auth", "redis"),
         ("loader", "postgres"), ("loader", "redis"), ("import-export", "postgres")]  # fmt: skip


def make_event(
    minutes: float = 0, *, over: bool = False, rule: str = "api-latency-p99", began: float | None = None,
    severity: Severity = Severity.HIGH, metric: str = "http_latency_p99_ms", drill: bool = False, value: float = 3000.0,
    category: Category = Category.TRANSACTION, **labels: str,
) -> AlertEvent:  # fmt: skip
    """One event of a rule on an object, `minutes` after noon."""
    at = NOON + timedelta(minutes=minutes)
    begun = NOON + timedelta(minutes=minutes if began is None else began)
    where = labels or {"service": "loader"}
    return AlertEvent(
        fingerprint=f"{rule}/{sorted(where.items())}",
        status=AlertStatus.RESOLVED if over else AlertStatus.FIRING,
        at=at,
        onset_at=begun - timedelta(seconds=60),
        fired_at=begun,
        source=AlertSource.RULE,
        rule_id=rule,
        title=f"{rule} on {'/'.join(where.values())}",
        summary=f"{metric} is {value:g}",
        severity=severity,
        category=category,
        labels=where,
        annotations={"metric": metric},
        value=value,
        threshold=2000.0,
        is_drill=drill,
    )


@dataclass
class AlertWorld:
    """`told` is what the listener of incidents heard: (incident id, what happened)."""

    engine: Engine
    told: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        policy = load_rule_file(shipped_rules() / "sla.yaml", SlaPolicy)
        self.incidents = IncidentDesk(policy, listener=self._hear)
        self.desk = AlertDesk(self.incidents, load_correlation_policy())
        with self.transaction() as connection:
            connection.execute(
                text("INSERT INTO service_edges VALUES (:a, :b, 'calls', :now)"),
                [{"a": f"service:{a}", "b": f"service:{b}", "now": NOON} for a, b in CALLS],
            )

    def _hear(self, _: Connection, view: IncidentView, what: str, __: datetime) -> None:
        self.told.append((view.incident_id, what))

    def transaction(self) -> Any:
        return transaction(self.engine)

    def receive(self, *events: AlertEvent, at: float | None = None, broken: Sequence[Any] | None = None) -> Received:
        """At the time of the newest event, or `at` minutes after noon."""
        now = max((one.at for one in events), default=NOON) if at is None else NOON + timedelta(minutes=at)
        with self.transaction() as connection:
            return self.desk.receive(connection, list(events), now=now, broken=broken)

    def review(self, minutes: float) -> Reviewed:
        with self.transaction() as connection:
            return self.desk.review(connection, NOON + timedelta(minutes=minutes))

    def rows(self, sql: str, **values: Any) -> list[Any]:
        with self.transaction() as connection:
            return list(connection.execute(text(sql), values))

    def incident(self, incident_id: int) -> Any:
        return self.rows("SELECT * FROM incidents WHERE incident_id = :id", id=incident_id)[0]

    def timeline(self, incident_id: int) -> list[str]:
        rows = self.rows("SELECT kind FROM incident_events WHERE incident_id = :id ORDER BY event_id", id=incident_id)
        return [row.kind for row in rows]

    def why(self, alert_id: int) -> list[str]:
        """The story of an alert in sentences."""
        with self.transaction() as connection:
            return explain(connection, str(alert_id))

    def paged(self) -> list[tuple[int, str]]:
        """What would wake somebody."""
        return [one for one in self.told if one[1] in ("opened", "reopen")]


def make_world(platform: Platform) -> AlertWorld:
    return AlertWorld(make_engine(platform.url))


def as_drill(event: AlertEvent) -> AlertEvent:
    return replace(event, is_drill=True)
