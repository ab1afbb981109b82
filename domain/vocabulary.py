"""Closed sets of the trade. Every word that is stored or shown as one of a few values comes from here."""

from __future__ import annotations

from enum import StrEnum


class SourceKind(StrEnum):
    """Where a loader's statistics come from."""

    PROMETHEUS = "prometheus"
    ELASTICSEARCH = "elasticsearch"
    SQL = "sql"
    PUSH = "push"


class MetricKind(StrEnum):
    """How a metric behaves: decides what a falling value means and whether capacity is asked of it."""

    GAUGE = "gauge"
    COUNTER = "counter"
    RATE = "rate"
    RATIO = "ratio"


class VersionState(StrEnum):
    """Life of a loader version (A6)."""

    DRAFT = "DRAFT"
    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    ARCHIVED = "ARCHIVED"


class WindowOutcome(StrEnum):
    """What the capture ledger knows of one window of one loader."""

    CAPTURED = "captured"
    EMPTY = "empty"
    LATE = "late"
    MISSING = "missing"


class QuarantineReason(StrEnum):
    """Why a row was set aside instead of becoming a signal."""

    NOT_A_NUMBER = "NOT_A_NUMBER"
    INFINITE = "INFINITE"
    NOT_NUMERIC = "NOT_NUMERIC"
    DUPLICATE_TIMESTAMP = "DUPLICATE_TIMESTAMP"
    IN_THE_FUTURE = "IN_THE_FUTURE"
    OUTSIDE_WINDOW = "OUTSIDE_WINDOW"
    MISSING_TIMESTAMP = "MISSING_TIMESTAMP"
    LABEL_TOO_LONG = "LABEL_TOO_LONG"
    COUNTER_RESET = "COUNTER_RESET"
    SERIES_CAP = "SERIES_CAP"
    MALFORMED = "MALFORMED"


class RuleStatus(StrEnum):
    """How far a detection rule is in its life."""

    DRAFT = "draft"
    SHADOW = "shadow"
    LIVE = "live"
    RETIRED = "retired"


class Severity(StrEnum):
    """Severity of a finding, most urgent first."""

    CRITICAL = "CRITICAL"
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"
