"""Webhooks of Alertmanager (JSON version 4) as alert events (E4). Their fingerprints stay; their severities are translated.

A message tells each alert with its beginning; an end that comes without or before its beginning is therefore complete in itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from domain.detection.alert_event import AlertEvent, AlertSource, AlertStatus, Category
from domain.vocabulary import Severity

_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")
_Text = Annotated[str, Field(max_length=4_000)]
_Labels = Annotated[dict[Annotated[str, Field(max_length=200)], _Text], Field(max_length=64)]
_NO_TIME = 1970  # Alertmanager writes the year 1 for "not over yet"


def _written_as_text(given: object) -> object:
    if not isinstance(given, str):
        raise ValueError("an instant is a text")  # noqa: TRY004 - pydantic shows a ValueError to who sent it
    return given


_Instant = Annotated[AwareDatetime, BeforeValidator(_written_as_text)]


class AlertmanagerAlert(BaseModel):
    """One alert of a message; what later versions add is passed over."""

    model_config = ConfigDict(extra="ignore")
    status: Literal["firing", "resolved"]
    labels: _Labels
    annotations: _Labels = Field(default_factory=dict)
    startsAt: _Instant  # noqa: N815 - their names
    endsAt: _Instant | None = None  # noqa: N815
    generatorURL: str = Field(default="", max_length=2_000)  # noqa: N815
    fingerprint: str = Field(pattern=r"^[0-9a-f]{16}$")


class AlertmanagerMessage(BaseModel):
    """The body of a webhook."""

    model_config = ConfigDict(extra="ignore")
    version: Literal["4"]
    groupKey: str = Field(default="", max_length=8_000)  # noqa: N815
    status: Literal["firing", "resolved"]
    receiver: str = Field(default="", max_length=200)
    externalURL: str = Field(default="", max_length=2_000)  # noqa: N815
    truncatedAlerts: int = Field(default=0, ge=0, strict=True)  # noqa: N815
    alerts: list[AlertmanagerAlert] = Field(min_length=1, max_length=5_000)


def events_of_message(
    message: AlertmanagerMessage, *, now: datetime, severities: Mapping[str, Severity]
) -> list[AlertEvent]:
    """One event per alert. Instants in the future are taken as now: their clock is not ours."""
    return [_event(alert, now=now, severities=severities) for alert in message.alerts]


def _event(alert: AlertmanagerAlert, *, now: datetime, severities: Mapping[str, Severity]) -> AlertEvent:
    labels = {name: _plain(value, 500) for name, value in alert.labels.items()}
    name = labels.get("alertname", "") or "alertmanager"
    begun = _past(alert.startsAt, now)
    is_over = alert.status == "resolved"
    ended = _past(alert.endsAt, now) if alert.endsAt else now
    words = alert.annotations
    return AlertEvent(
        fingerprint=alert.fingerprint,
        status=AlertStatus.RESOLVED if is_over else AlertStatus.FIRING,
        at=max(begun, ended) if is_over else begun,
        onset_at=begun,
        fired_at=begun,
        source=AlertSource.ALERTMANAGER,
        rule_id=_plain(name, 200),
        title=_plain(words.get("summary") or words.get("title") or name, 200),
        summary=_plain(words.get("description") or words.get("message") or "", 2_000),
        severity=severities.get(labels.get("severity", "").lower(), Severity.MEDIUM),
        category=_category(labels.get("category", "")),
        labels={label: value for label, value in labels.items() if label != "severity"},
        annotations={
            "runbook": _plain(words.get("runbook_url", ""), 2_000),
            "source_url": _plain(alert.generatorURL, 2_000),
        },
    )


def _past(at: datetime, now: datetime) -> datetime:
    """In UTC; now for what is no time of a computer, or in the future."""
    return at.astimezone(UTC) if at.year > _NO_TIME and at <= now else now


def _category(given: str) -> Category:
    return Category(given) if given in set(Category) else Category.INFRASTRUCTURE


def _plain(text: str, longest: int) -> str:
    """One line of text: it goes into titles, messages and calls."""
    return _CONTROL.sub(" ", text).strip()[:longest]
