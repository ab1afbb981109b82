"""What people say of alerts, and what follows for the rules: precision, and steps of their thresholds (D8)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Engine, text

from domain.detection.tuning import Precision, Step, suggest_steps
from domain.errors import NotFoundError
from resources.access.audit_log import AuditLog
from resources.postgres.engine import transaction

Verdict = Literal["TRUE_POSITIVE", "FALSE_POSITIVE"]


@dataclass(frozen=True, slots=True)
class RulePrecision:
    """A rule as its verdicts show it. `steps` only where it is noisy and compares with a number."""

    counts: Precision
    threshold: float | None
    steps: list[Step]


class Verdicts:
    """Reads and writes verdicts; never changes a rule."""

    def __init__(self, engine: Engine, audit: AuditLog) -> None:
        self._engine = engine
        self._audit = audit

    def judge(self, alert_id: int, verdict: Verdict, *, actor: str, now: datetime) -> None:
        """Say whether an alert was right; the last word counts.

        Raises:
            NotFoundError: no such alert.
        """
        with transaction(self._engine) as connection:
            before = connection.execute(
                text("SELECT verdict FROM alerts WHERE alert_id = :id FOR UPDATE"), {"id": alert_id}
            ).one_or_none()
            if before is None:
                raise NotFoundError(f"there is no alert {alert_id}", suggestion="`etlmon alert list` shows the newest")
            values = {"id": alert_id, "verdict": verdict, "by": actor, "now": now}
            connection.execute(
                text("UPDATE alerts SET verdict = :verdict, verdict_by = :by, verdict_at = :now WHERE alert_id = :id"),
                values,
            )
            words = "right" if verdict == "TRUE_POSITIVE" else "a false alarm"
            connection.execute(
                text("INSERT INTO alert_decisions (alert_id, at, kind, reason) VALUES (:id, :now, 'verdict', :reason)"),
                {"id": alert_id, "now": now, "reason": f"{actor} says that it was {words}"},
            )
            self._audit.record(
                connection, actor=actor, action="alert.verdict", resource="alerts", resource_id=str(alert_id),
                before={"verdict": before.verdict}, after={"verdict": verdict},
            )  # fmt: skip

    def precision(self, *, now: datetime, days: int = 90) -> list[RulePrecision]:
        """Every rule that fired within so many days, the least precise first. Drills do not count."""
        with transaction(self._engine) as connection:
            rows = connection.execute(
                text(
                    "SELECT rule_id, count(*) AS alerts, count(*) FILTER (WHERE verdict = 'TRUE_POSITIVE') AS true_positives,"
                    " count(*) FILTER (WHERE verdict = 'FALSE_POSITIVE') AS false_positives,"
                    " (array_agg(threshold ORDER BY fired_at DESC) FILTER (WHERE threshold IS NOT NULL))[1] AS threshold,"
                    " coalesce(array_agg(value) FILTER (WHERE verdict = 'TRUE_POSITIVE' AND value IS NOT NULL), '{}') AS true_values,"
                    " coalesce(array_agg(value) FILTER (WHERE verdict = 'FALSE_POSITIVE' AND value IS NOT NULL), '{}') AS false_values"
                    " FROM alerts WHERE fired_at >= :since AND NOT is_drill GROUP BY rule_id"
                ),
                {"since": now - timedelta(days=days)},
            ).all()
        found = []
        for row in rows:
            counts = Precision(row.rule_id, row.alerts, row.true_positives, row.false_positives)
            steps = (
                suggest_steps(row.threshold, false_values=row.false_values, true_values=row.true_values)
                if counts.is_noisy and row.threshold is not None
                else []
            )
            found.append(RulePrecision(counts, row.threshold, steps))
        return sorted(found, key=lambda one: (_order(one.counts), one.counts.rule_id))


def _order(one: Precision) -> float:
    return 101.0 if one.precision_pct is None else one.precision_pct
