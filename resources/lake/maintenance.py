"""Keeping the lake small and quick: flush, rollup, compaction, retention, expiry. Each step may be killed and run again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from resources.capture.commit import SIGNALS_LOCK
from resources.lake.connection import Lake
from resources.lake.marks import read_mark, write_mark
from resources.settings import Settings

ROLLUP_LOCK = "rollup"
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class RollupResult:
    """What one rollup did: hours recomputed, rows written, ingestion time it has reached."""

    hours: int
    hourly_rows: int
    reached_at: datetime | None


def roll_up(lake: Lake) -> RollupResult:
    """Recompute the hours (and their days) that received rows since the last rollup, and nothing else.

    The hour and the day still running are included: they are recomputed when they grow. No new rows means no work.
    """
    mark = read_mark(lake, "rollup")
    newest = lake.instant("SELECT max(ingested_at) FROM signals WHERE ingested_at > ?", [mark])
    if newest is None:
        return RollupResult(0, 0, None)
    return lake.write(ROLLUP_LOCK, lambda inner: _roll_up(inner, mark, newest))


def _roll_up(lake: Lake, mark: datetime, newest: datetime) -> RollupResult:
    touched = lake.query(
        "SELECT DISTINCT date_trunc('hour', captured_at) AS hour_at FROM signals WHERE ingested_at > ? AND ingested_at <= ?",
        [mark, newest],
    )
    hours: list[datetime] = touched["hour_at"].to_list()
    low, high = min(hours), max(hours)
    with lake.staged("_hours", touched):
        lake.execute(
            "DELETE FROM signals_hourly WHERE hour_at >= ? AND hour_at <= ? AND hour_at IN (FROM _hours)", [low, high]
        )
        rows = lake.query(
            """
            SELECT series_id, date_trunc('hour', captured_at) AS hour_at, count(*) AS points, avg(metric_value) AS mean,
                   stddev_samp(metric_value) AS std, min(metric_value) AS minimum, max(metric_value) AS maximum,
                   quantile_cont(metric_value, 0.5) AS p50, quantile_cont(metric_value, 0.95) AS p95,
                   arg_max(metric_value, captured_at) AS last_value, sum(metric_value) AS total
            FROM signals
            WHERE captured_at >= ? AND captured_at < ? AND date_trunc('hour', captured_at) IN (FROM _hours)
            GROUP BY ALL ORDER BY series_id, hour_at
            """,
            [low, high + _HOUR],
        )
    lake.insert("signals_hourly", rows)
    _roll_up_days(lake, low, high)
    write_mark(lake, "rollup", newest)
    return RollupResult(touched.height, rows.height, newest)


def _roll_up_days(lake: Lake, low: datetime, high: datetime) -> None:
    first = low.replace(hour=0)
    lake.execute("DELETE FROM signals_daily WHERE day_at >= ? AND day_at <= ?", [first, high])
    lake.execute(
        """
        INSERT INTO signals_daily BY NAME
        SELECT series_id, date_trunc('day', hour_at) AS day_at, sum(points) AS points, sum(mean * points) / sum(points) AS mean,
               min(minimum) AS minimum, max(maximum) AS maximum, arg_max(last_value, hour_at) AS last_value, sum(total) AS total
        FROM signals_hourly WHERE hour_at >= ? AND hour_at < ? GROUP BY ALL
        """,
        [first, high.replace(hour=0) + timedelta(days=1)],
    )


def apply_retention(lake: Lake, settings: Settings, *, now: datetime) -> dict[str, int]:
    """Delete what the policy no longer keeps; returns rows deleted per table.

    Raw signals go only up to where the rollup has come, so that nothing leaves before it is summarised: raw → hourly →
    daily, the daily rows being the archive that stays.
    """
    mark = read_mark(lake, "rollup")
    raw_until = now - timedelta(days=settings.retention_raw_days)
    unrolled = lake.query(
        "SELECT min(captured_at) AS at FROM signals WHERE ingested_at > ? AND captured_at < ?", [mark, raw_until]
    )
    raw_until = min(raw_until, unrolled["at"][0] or raw_until)
    ledger_until = now - timedelta(days=settings.retention_ledger_days)
    log_until = now - timedelta(days=settings.retention_log_days)
    under_signals_lock = {
        "signals": ("captured_at", raw_until),
        "log_lines": ("logged_at", log_until),
        "capture_attempts": ("window_start", ledger_until),
        "quarantine": ("quarantined_at", ledger_until),
    }
    elsewhere = {
        "signals_hourly": ("hour_at", now - timedelta(days=settings.retention_rollup_days)),
        "baselines": ("computed_at", now - timedelta(days=35)),
        "anomalies": ("captured_at", now - timedelta(days=settings.retention_rollup_days)),
        "control_charts": ("captured_at", raw_until),
        "log_template_counts": ("window_start", raw_until),
    }
    deleted = lake.write(SIGNALS_LOCK, lambda inner: _delete_older(inner, under_signals_lock))
    for table, rule in elsewhere.items():
        lock = ROLLUP_LOCK if table == "signals_hourly" else table
        deleted |= lake.write(lock, lambda inner, table=table, rule=rule: _delete_older(inner, {table: rule}))  # type: ignore[misc]
    return deleted


def _delete_older(lake: Lake, rules: dict[str, tuple[str, datetime]]) -> dict[str, int]:
    deleted = {}
    for table, (column, until) in rules.items():
        deleted[table] = int(lake.query(f"SELECT count(*) AS n FROM {table} WHERE {column} < ?", [until])["n"][0])
        if deleted[table]:
            lake.execute(f"DELETE FROM {table} WHERE {column} < ?", [until])
    return deleted


@dataclass(frozen=True, slots=True)
class CompactionResult:
    """Files before and after, and snapshots that were expired."""

    files_before: int
    files_after: int
    snapshots_expired: int


def compact(lake: Lake, *, now: datetime, keep_snapshots: timedelta = timedelta(hours=6)) -> CompactionResult:
    """Write inlined rows to files, merge small files, rewrite files with many deleted rows, drop what nobody can read.

    Readers of a snapshot younger than `keep_snapshots` are not disturbed. Safe to kill: files that a killed compaction left
    behind are not in the catalog and are removed by the next run.
    """
    before = _count_files(lake)

    def work(inner: Lake) -> None:
        inner.execute("CALL ducklake_flush_inlined_data('lake')")

    lake.write(SIGNALS_LOCK, work)
    lake.write(
        SIGNALS_LOCK, lambda inner: inner.execute("CALL ducklake_rewrite_data_files('lake', delete_threshold => 0.2)")
    )
    lake.write(SIGNALS_LOCK, lambda inner: inner.execute("CALL ducklake_merge_adjacent_files('lake')"))
    older = (now - keep_snapshots).isoformat()
    expired = lake.query(f"CALL ducklake_expire_snapshots('lake', older_than => TIMESTAMPTZ '{older}')").height
    lake.execute(f"CALL ducklake_cleanup_old_files('lake', older_than => TIMESTAMPTZ '{older}')")
    lake.execute(f"CALL ducklake_delete_orphaned_files('lake', older_than => TIMESTAMPTZ '{older}')")
    return CompactionResult(before, _count_files(lake), expired)


def _count_files(lake: Lake) -> int:
    return int(lake.query("SELECT coalesce(sum(file_count), 0) AS n FROM ducklake_table_info('lake')")["n"][0])
