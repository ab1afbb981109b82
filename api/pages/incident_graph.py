"""The picture on an incident's page: which series there are to look at, over which stretch, what is marked in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from fastapi import Request

from api.pages.drawing import Mark, Picture, draw_signal
from domain.errors import StorageError
from resources.incidents.graph import Signal, choose_stretch, read_signal
from resources.incidents.listing import IncidentRow
from resources.readiness import Readiness

_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class IncidentGraph:
    """What is drawn, or in words why nothing is. `choices` are the alerts that have a series."""

    alert: dict[str, Any] | None
    choices: list[dict[str, Any]]
    stretch: str
    signal: Signal | None = None
    picture: Picture | None = None
    problem: str = ""
    summary: str = ""


def draw_incident(
    request: Request, row: IncidentRow, alerts: Sequence[dict[str, Any]], *, wanted: int | None, stretch: str, now: datetime
) -> IncidentGraph:  # fmt: skip
    """The series of the alert that is wanted; of the likely cause by default."""
    choices = [one for one in alerts if one["series_id"] is not None]
    alert = next((one for one in choices if one["alert_id"] == wanted), choices[0] if choices else None)
    if alert is None:
        words = "None of its alerts stands on a single series: they come from logs, jobs or other systems."
        return IncidentGraph(None, choices, stretch, problem=words)
    since, until = choose_stretch(
        min(row.onset_at, alert["onset_at"]), _over_at(row), now=now, is_whole=stretch == "all"
    )
    since = min(since, until - _WEEK) if stretch == "week" else since
    lake = cast("Readiness", request.app.state.readiness).lake
    try:
        signal = read_signal(lake, alert["series_id"], since=since, until=until)
    except StorageError as error:
        return IncidentGraph(alert, choices, stretch, problem=f"The lake does not answer: {error.reason}")
    if signal is None:
        words = "The lake has no sample of this series around the incident: its history may have been removed."
        return IncidentGraph(alert, choices, stretch, problem=words)
    marks = _marks(row, alert)
    picture = draw_signal(signal, since=since, until=until, threshold=alert["threshold"], marks=marks)
    return IncidentGraph(alert, choices, stretch, signal, picture, summary=_summary(signal))


def _over_at(row: IncidentRow) -> datetime | None:
    return row.resolved_at or row.closed_at


def _marks(row: IncidentRow, alert: dict[str, Any]) -> list[Mark]:
    named = [
        ("broke here", alert["onset_at"], "broke"),
        ("opened", row.opened_at, ""),
        ("acknowledged", row.acknowledged_at, ""),
        ("mitigated", row.mitigated_at, "good"),
        ("resolved", row.resolved_at, "good"),
    ]
    return [Mark(at, words, kind) for words, at, kind in named if at is not None]


def _summary(signal: Signal) -> str:
    """For those who do not see the picture."""
    values = signal.frame["metric_value"].drop_nulls()
    return f"from {_number(values.min())} to {_number(values.max())}, last {_number(values.item(-1))} {signal.unit}".rstrip()


def _number(value: Any) -> str:
    return f"{value:,.4g}"
