"""Alert events that no rule finds: rule files that are broken, failed runs of Dagster, troubles of the platform itself (E4)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime

from domain.detection.alert_event import AlertEvent, AlertSource, AlertStatus, Category
from domain.errors import RuleFileError
from domain.vocabulary import Severity

BROKEN_RULE = "rule-file-broken"
FAILED_RUN = "dagster-run-failed"
_LONGEST = 500


def platform_event(
    rule_id: str,
    title: str,
    summary: str,
    *,
    at: datetime,
    status: AlertStatus = AlertStatus.FIRING,
    severity: Severity = Severity.HIGH,
    labels: Mapping[str, str] | None = None,
) -> AlertEvent:
    """A trouble of the platform itself (capture stalled, daemon dead), or its end. Same rule and labels: the same alert.

    Without `service` among the labels it is about the service "etlmon".
    """
    named = {"service": "etlmon", **(labels or {})}
    return AlertEvent(
        fingerprint=_fingerprint(AlertSource.PLATFORM, rule_id, named),
        status=status,
        at=at,
        onset_at=at,
        fired_at=at,
        source=AlertSource.PLATFORM,
        rule_id=rule_id,
        title=_short(title),
        summary=_short(summary),
        severity=severity,
        category=Category.PLATFORM,
        labels=named,
    )


def event_of_broken_rule(error: RuleFileError, *, at: datetime) -> AlertEvent:
    """A rule file that cannot be used: its last good version goes on."""
    file = str(error.context.get("file", "?")).rpartition("/")[2]
    return platform_event(
        BROKEN_RULE,
        f"Rule file {file} is broken",
        f"{error.reason} → {error.suggestion}. Its last good version stays in force.",
        at=at,
        severity=Severity.MEDIUM,
        labels={"service": "etlmon", "file": file},
    )


def event_of_failed_run(
    *,
    job: str,
    run_id: str,
    error: str,
    failed_at: datetime,
    started_at: datetime | None = None,
    assets: Iterable[str] = (),
    loader: str = "",
    severity: Severity = Severity.HIGH,
    is_drill: bool = False,
) -> AlertEvent:
    """A failed run of Dagster. Every failure of one job (and loader) is the same alert; `event_of_succeeded_run` ends it."""
    labels = _run_labels(job, loader, assets)
    return AlertEvent(
        fingerprint=_fingerprint(AlertSource.DAGSTER, FAILED_RUN, {"job": job, "loader": loader}),
        status=AlertStatus.FIRING,
        at=failed_at,
        onset_at=min(started_at or failed_at, failed_at),
        fired_at=failed_at,
        source=AlertSource.DAGSTER,
        rule_id=FAILED_RUN,
        title=_short(f"Run of {job} failed" + (f" for {loader}" if loader else "")),
        summary=_short(error),
        severity=severity,
        category=Category.DATA,
        labels=labels,
        annotations={"run_id": run_id, "owner": "data-platform"},
        is_drill=is_drill,
    )


def event_of_succeeded_run(*, job: str, run_id: str, ended_at: datetime, loader: str = "") -> AlertEvent:
    """A run that ended well: what failed before is over. Hand it in only where the job's alert fires."""
    return AlertEvent(
        fingerprint=_fingerprint(AlertSource.DAGSTER, FAILED_RUN, {"job": job, "loader": loader}),
        status=AlertStatus.RESOLVED,
        at=ended_at,
        onset_at=ended_at,
        fired_at=ended_at,
        source=AlertSource.DAGSTER,
        rule_id=FAILED_RUN,
        title=f"Run of {job} failed",
        summary="",
        severity=Severity.HIGH,
        category=Category.DATA,
        labels=_run_labels(job, loader, ()),
        annotations={"run_id": run_id, "over": f"run {run_id} ended well"},
    )


def _run_labels(job: str, loader: str, assets: Iterable[str]) -> dict[str, str]:
    named = sorted(assets)
    labels = {"job": job, "loader": loader, "asset": named[0] if len(named) == 1 else ""}
    return {name: value for name, value in labels.items() if value}


def _fingerprint(source: AlertSource, rule_id: str, labels: Mapping[str, str]) -> str:
    words = "\0".join([source.value, rule_id, *(f"{name}={labels[name]}" for name in sorted(labels))])
    return hashlib.blake2b(words.encode(), digest_size=16).hexdigest()


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
