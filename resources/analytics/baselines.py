"""Baselines in the lake: one set every six hours, and one per midnight of the history behind it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from domain.baselines.exclusions import EXCLUDED_SCHEMA
from domain.baselines.time_of_week import compute_baselines
from resources.lake.connection import Lake

WINDOW_DAYS = 7
_EVERY = timedelta(hours=6)
_HISTORY_DAYS = 28
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class BaselineResult:
    """Sets computed now, rows written, series with a baseline in the newest set, points that were left out."""

    computed_at: list[datetime]
    rows: int
    series: int
    excluded_periods: int


def refresh_baselines(lake: Lake, *, now: datetime, history_days: int = _HISTORY_DAYS) -> BaselineResult:
    """Compute the sets that are missing: nothing when the newest is there already.

    `history_days` is how many midnights before now are looked at; 0 means the newest set alone. Signals that arrive late for
    an old window do not change its baselines; the next set sees them.
    """
    due = _missing_instants(lake, now, history_days)
    excluded = read_excluded(lake)
    rows, series = 0, 0
    for as_of in due:
        points = lake.query(
            "SELECT series_id, captured_at, metric_value FROM signals WHERE captured_at >= ? AND captured_at < ?",
            [as_of - timedelta(days=WINDOW_DAYS), as_of],
        )
        frame = compute_baselines(points, as_of=as_of, window_days=WINDOW_DAYS, excluded=excluded)
        series = frame["series_id"].n_unique()
        rows += _replace_set(lake, frame, as_of)
    return BaselineResult(due, rows, series, excluded.height)


def _replace_set(lake: Lake, frame: pl.DataFrame, as_of: datetime) -> int:
    def work(inner: Lake) -> int:
        inner.execute("DELETE FROM baselines WHERE computed_at = ?", [as_of])
        return inner.insert("baselines", frame)

    return lake.write("baselines", work)


def _missing_instants(lake: Lake, now: datetime, history_days: int) -> list[datetime]:
    first = lake.query("SELECT min(captured_at) AS at FROM signals")["at"][0]
    if first is None:
        return []
    newest = now.replace(hour=now.hour // 6 * 6, minute=0, second=0, microsecond=0)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    wanted = {midnight - k * _DAY for k in range(history_days)} | {newest}
    known = set(lake.query("SELECT DISTINCT computed_at FROM baselines")["computed_at"].to_list())
    return sorted(at for at in wanted - known if at > first + _DAY or at == newest)


def read_excluded(lake: Lake) -> pl.DataFrame:
    """Incident periods per series (by its `service` label); a period without a service holds for all series."""
    rows = lake.query(
        """
        SELECT s.series_id, p.started_at, p.ended_at FROM incident_periods AS p
        LEFT JOIN series AS s ON (s.labels->>'service') = p.service
        WHERE p.service IS NULL OR s.series_id IS NOT NULL
        """
    )
    return rows.cast(pl.Schema(EXCLUDED_SCHEMA))


def read_baselines(lake: Lake, *, start: datetime, end: datetime) -> pl.DataFrame:
    """The sets that may judge points of [start, end), limited to the hours the points can fall into."""
    hours = {
        int((start + timedelta(hours=k)).timestamp()) // 3600
        for k in range(int((end - start) / timedelta(hours=1)) + 2)
    }
    of_week = sorted({(hour + 72) % 168 for hour in hours})
    of_day = sorted({hour % 24 + kind for hour in hours for kind in (0, 24)})
    return lake.query(
        """
        SELECT * FROM baselines
        WHERE computed_at >= coalesce((SELECT max(computed_at) FROM baselines WHERE computed_at <= ?), '1970-01-01') AND computed_at < ?
          AND (level = 'overall' OR (level = 'time_of_week' AND list_contains(?, bucket))
               OR (level = 'time_of_day' AND list_contains(?, bucket)))
        """,
        [start, end, of_week, of_day],
    )
