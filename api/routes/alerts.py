"""/api/v1/alerts: lists, one alert, why somebody was or was not paged, verdicts; and how precise the rules are (D7, D8)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query

from api.access import allow, current_caller
from api.alerting import Services
from api.wire import Instant, Limit, WireModel
from domain.access.permissions import Caller
from domain.detection.alert_event import AlertStatus
from domain.vocabulary import Severity
from resources.alerts.listing import AlertFilter, get_alert, list_alerts
from resources.alerts.why import explain_alert
from resources.clock import utc_now
from resources.postgres.engine import transaction

router = APIRouter(prefix="/api/v1", tags=["alerts"])

Asking = Annotated[Caller, Depends(current_caller)]
AlertId = Annotated[int, Path(ge=1, le=2**63 - 1)]
_Word = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00-\x1f]+$")]


class AlertAnswer(WireModel):
    """One alert."""

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
    series_id: int | None
    onset_at: Instant
    fired_at: Instant
    detected_at: Instant
    last_seen_at: Instant
    resolved_at: Instant | None
    occurrences: int
    incident_id: int | None
    suppressed_by: str | None
    is_flapping: bool
    is_drill: bool
    verdict: str | None
    verdict_by: str | None
    verdict_at: Instant | None


class DecisionAnswer(WireModel):
    """What was decided about it, and why."""

    at: Instant
    kind: str
    reason: str


class FullAlert(AlertAnswer):
    """One alert with everything that was decided about it."""

    decisions: list[DecisionAnswer]


class AlertPage(WireModel):
    """Newest first; `next_before` is the parameter `before` of the next page."""

    items: list[AlertAnswer]
    next_before: int | None


class Explanation(WireModel):
    """Sentences in the order of time, the answer last."""

    sentences: list[str]


class VerdictGiven(WireModel):
    """What somebody says of an alert."""

    verdict: Literal["TRUE_POSITIVE", "FALSE_POSITIVE"]


class StepAnswer(WireModel):
    """A threshold that could be, and what it would have done with the judged alerts."""

    threshold: float
    moved_pct: float
    spared_false: int
    missed_true: int
    precision_pct: float | None


class PrecisionAnswer(WireModel):
    """One rule. `steps` only where it is noisy; nothing changes a rule by itself."""

    rule_id: str
    alerts: int
    true_positives: int
    false_positives: int
    precision_pct: float | None
    is_noisy: bool
    threshold: float | None
    steps: list[StepAnswer]


class PrecisionPage(WireModel):
    """The least precise first, what nobody judged last."""

    items: list[PrecisionAnswer]


@router.get("/alerts")
@allow("alerts", "read")
def list_all_alerts(
    services: Services,
    *,
    status: AlertStatus | None = None,
    severity: Severity | None = None,
    rule_id: _Word = None,
    incident_id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    is_held_back: bool | None = None,
    label: Annotated[
        str | None, Query(max_length=300, pattern=r"^[\w.-]{1,100}=[^\x00-\x1f]*$", description="name=value")
    ] = None,
    limit: Limit = 100,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
) -> AlertPage:
    """Alerts that fit, newest first."""
    pair = label.partition("=") if label else None
    wanted = AlertFilter(status, severity, rule_id, incident_id, is_held_back, (pair[0], pair[2]) if pair else None)
    with transaction(services.control.engine) as connection:
        rows = list_alerts(connection, wanted, limit=limit + 1, before=before)
    items = [AlertAnswer.model_validate(row) for row in rows[:limit]]
    return AlertPage(items=items, next_before=items[-1].alert_id if len(rows) > limit else None)


@router.get("/alerts/{alert_id}")
@allow("alerts", "read")
def read_alert(services: Services, alert_id: AlertId) -> FullAlert:
    """One alert."""
    with transaction(services.control.engine) as connection:
        return FullAlert.model_validate(get_alert(connection, alert_id))


@router.get("/alerts/{alert_id}/why")
@allow("alerts", "read")
def explain_one(services: Services, alert_id: AlertId) -> Explanation:
    """Why somebody was or was not paged."""
    with transaction(services.control.engine) as connection:
        return Explanation(sentences=explain_alert(connection, alert_id))


@router.put("/alerts/{alert_id}/verdict")
@allow("alerts", "act")
def judge_alert(services: Services, caller: Asking, alert_id: AlertId, given: VerdictGiven) -> FullAlert:
    """Say whether it was right; the last word counts."""
    services.verdicts.judge(alert_id, given.verdict, actor=caller.username, now=utc_now())
    return read_alert(services, alert_id)


@router.get("/rules/precision")
@allow("alerts", "read")
def read_precision(services: Services, days: Annotated[int, Query(ge=1, le=730)] = 90) -> PrecisionPage:
    """Verdicts per rule, and by how much the threshold of a noisy one would have to move."""
    items = [
        PrecisionAnswer(
            rule_id=one.counts.rule_id,
            alerts=one.counts.alerts,
            true_positives=one.counts.true_positives,
            false_positives=one.counts.false_positives,
            precision_pct=one.counts.precision_pct,
            is_noisy=one.counts.is_noisy,
            threshold=one.threshold,
            steps=[StepAnswer(**_fields(step)) for step in one.steps],
        )
        for one in services.verdicts.precision(now=utc_now(), days=days)
    ]
    return PrecisionPage(items=items)


def _fields(step: Any) -> dict[str, Any]:
    return {name: getattr(step, name) for name in StepAnswer.model_fields}
