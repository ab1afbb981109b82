"""What detection tells about one condition of one object: it began, it goes on, it is over. From rules and from other systems alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from domain.vocabulary import Severity


class AlertStatus(StrEnum):
    """Whether the condition holds."""

    FIRING = "FIRING"
    RESOLVED = "RESOLVED"


class AlertSource(StrEnum):
    """Who found it."""

    RULE = "rule"
    ALERTMANAGER = "alertmanager"
    DAGSTER = "dagster"
    PLATFORM = "platform"


class Category(StrEnum):
    """What kind of trouble it is: the first words of the triage."""

    TRANSACTION = "transaction"
    LOG = "log"
    INTEGRATION = "integration"
    INFRASTRUCTURE = "infrastructure"
    STATISTICAL = "statistical"
    DATA = "data"
    PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """One observation. Events of one fingerprint may come late, twice and out of order; `at` is the time of the fact.

    `onset_at` is the first bad sample, `fired_at` when the condition had lasted long enough. `labels` say where
    (service, pod, loader …), `annotations` hold texts.
    """

    fingerprint: str
    status: AlertStatus
    at: datetime
    onset_at: datetime
    fired_at: datetime
    source: AlertSource
    rule_id: str
    title: str
    summary: str
    severity: Severity
    category: Category
    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    value: float | None = None
    threshold: float | None = None
    series_id: int | None = None
    is_drill: bool = False
