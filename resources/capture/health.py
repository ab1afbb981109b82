"""Questions to ledger and signals: how complete, how fresh, how clean. The same answers for checks, status and doctor."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from resources.lake.connection import Lake


@dataclass(frozen=True, slots=True)
class Completeness:
    """Windows expected and captured in a span; `by_loader` has loader_code, expected, captured, late, missing, last_reason."""

    expected: int
    captured: int
    late: int
    missing: int
    by_loader: pl.DataFrame

    @property
    def worst(self) -> pl.DataFrame:
        """Loaders with missing windows, worst first."""
        return self.by_loader.filter(pl.col("missing") > 0)

    @property
    def captured_pct(self) -> float:
        """Share of expected windows that are in the lake; 100 when none was expected."""
        return 100.0 * (self.expected - self.missing) / self.expected if self.expected else 100.0


def read_completeness(lake: Lake, *, since: datetime, until: datetime) -> Completeness:
    """Completeness of all loaders over windows starting in [since, until)."""
    by_loader = lake.query(
        """
        SELECT loader_code, count(*) AS expected, count(*) FILTER (outcome <> 'missing') AS captured,
               count(*) FILTER (outcome = 'late' OR late_rows > 0) AS late, count(*) FILTER (outcome = 'missing') AS missing,
               arg_max(reason, recorded_at) FILTER (outcome = 'missing') AS last_reason
        FROM capture_ledger WHERE window_start >= ? AND window_start < ?
        GROUP BY ALL ORDER BY missing DESC, loader_code
        """,
        [since, until],
    )
    totals = by_loader.select("expected", "captured", "late", "missing").sum().row(0)
    expected, captured, late, missing = (int(value or 0) for value in totals)
    return Completeness(expected, captured, late, missing, by_loader)


def read_freshness(lake: Lake, *, now: datetime) -> pl.DataFrame:
    """Per loader: watermark, seconds behind (never negative), length of its newest window, and when it last moved."""
    return lake.query(
        """
        WITH periods AS (
            SELECT loader_code, arg_max(epoch(window_end - window_start), window_start) AS period_s
            FROM capture_attempts WHERE window_start >= ?::TIMESTAMPTZ - INTERVAL 3 DAY GROUP BY loader_code)
        SELECT loader_code, complete_until, greatest(0, epoch(?::TIMESTAMPTZ - complete_until)) AS lag_s,
               coalesce(period_s, 86400) AS period_s, updated_at
        FROM watermarks LEFT JOIN periods USING (loader_code) ORDER BY lag_s DESC, loader_code
        """,
        [now, now],
    )


def count_duplicates(lake: Lake, *, since: datetime) -> int:
    """Signals that are there more than once at the same instant of the same series; 0 unless something is broken."""
    rows = lake.query(
        "SELECT count(*) - count(DISTINCT (series_id, captured_at)) AS n FROM signals WHERE captured_at >= ?", [since]
    )
    return int(rows["n"][0])


def count_out_of_range(lake: Lake, *, since: datetime) -> int:
    """Percentages outside 0..100 (with rounding room) and negative counts, since an instant."""
    rows = lake.query(
        """
        SELECT count(*) AS n FROM signals AS g JOIN series AS s USING (series_id)
        WHERE g.captured_at >= ? AND ((s.unit = '%' AND s.kind = 'ratio' AND s.limit_value IS NOT NULL
                                       AND (g.metric_value < -0.001 OR g.metric_value > 150))
                                   OR (s.kind IN ('rate', 'counter') AND g.metric_value < 0) OR isnan(g.metric_value))
        """,
        [since],
    )
    return int(rows["n"][0])


def recent_span(now: datetime, *, hours: float = 24.0) -> tuple[datetime, datetime]:
    """The last day, as (since, until)."""
    return now - timedelta(hours=hours), now
