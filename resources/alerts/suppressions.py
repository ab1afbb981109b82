"""What holds alerts back, as stored: silences, maintenance windows, the allow-list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from domain.detection.matchers import parse_matchers
from domain.detection.silencing import MaintenanceWindow, NoisyMetric, Silence, Suppressed, decide_suppressions

_SILENCES = "SELECT silence_id, matchers, starts_at, ends_at, reason, created_by FROM silences"
_WINDOWS = "SELECT window_id, title, matchers, starts_at, ends_at, cron, duration_s, time_zone, reason, created_by FROM maintenance_windows"


@dataclass(frozen=True, slots=True)
class Suppressions:
    """What may hold back at an instant."""

    windows: Sequence[MaintenanceWindow]
    silences: Sequence[Silence]
    noisy: Sequence[NoisyMetric]

    def judge(self, words: Sequence[dict[str, str]], *, at: datetime) -> list[Suppressed | None]:
        """[alert] what holds it back."""
        return decide_suppressions(words, windows=self.windows, silences=self.silences, noisy=self.noisy, at=at)


def read_suppressions(connection: Connection, *, at: datetime) -> Suppressions:
    """Everything that is in force at that instant."""
    silences = connection.execute(
        text(f"{_SILENCES} WHERE ended_by IS NULL AND starts_at <= :at AND ends_at > :at ORDER BY silence_id"),
        {"at": at},
    )
    windows = connection.execute(
        text(
            f"{_WINDOWS} WHERE ended_by IS NULL AND (cron IS NOT NULL OR (starts_at <= :at AND ends_at > :at)) ORDER BY window_id"
        ),
        {"at": at},
    )
    noisy = connection.execute(text("SELECT rule_id, matchers, reason, created_by FROM noisy_metrics"))
    return Suppressions(
        [as_window(row) for row in windows],
        [as_silence(row) for row in silences],
        [NoisyMetric(row.rule_id, tuple(parse_matchers(row.matchers)), row.reason, row.created_by) for row in noisy],
    )


def as_silence(row: Any) -> Silence:
    """A row with the columns of a silence."""
    return Silence(
        row.silence_id, tuple(parse_matchers(row.matchers)), row.starts_at, row.ends_at, row.reason, row.created_by
    )


def as_window(row: Any) -> MaintenanceWindow:
    """A row with the columns of a window."""
    return MaintenanceWindow(
        window_id=row.window_id,
        title=row.title,
        matchers=tuple(parse_matchers(row.matchers)),
        reason=row.reason,
        created_by=row.created_by,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        cron=row.cron,
        duration_s=row.duration_s,
        time_zone=row.time_zone,
    )
