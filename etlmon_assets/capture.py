"""Capture as assets: signals, log lines, quarantine and ledger, written together by one run for all due loaders.

The job of every minute captures what is due. Materialising a daily partition by hand (or as a backfill) captures the
windows of that day again: equal content changes nothing, changed windows are replaced.
"""

# Dagster reads annotations at definition time: no postponed evaluation here.
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal

import polars as pl
from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetsDefinition,
    AssetSpec,
    BackfillPolicy,
    Config,
    DailyPartitionsDefinition,
    MaterializeResult,
    multi_asset,
)

from etlmon_assets import keys
from etlmon_assets.showing import check, rule_checks, rule_specs, table
from resources.capture.engine import CaptureContext
from resources.capture.health import (
    count_duplicates,
    count_out_of_range,
    read_completeness,
    read_freshness,
    recent_span,
)
from resources.capture.outcomes import CaptureRun
from resources.capture.service import capture
from resources.clock import utc_now
from resources.dagster_bindings import PlatformResource
from resources.json_logs import correlated, get_logger, new_correlation_id
from resources.lake.connection import Lake

_MAX_LAG_S = 900.0
_MIN_COMPLETE_PCT = 99.0

SOURCES = [
    AssetSpec(
        kind_key,
        group_name=keys.GROUP_SOURCES,
        owners=keys.OWNERS,
        description=text,
        kinds={kind},
    )
    for kind_key, kind, text in (
        (keys.SOURCE_PROMETHEUS, "prometheus", "Metrics, asked with PromQL by the Prometheus loaders."),
        (
            keys.SOURCE_ELASTICSEARCH,
            "elasticsearch",
            "Logs, asked with query DSL and aggregations by the Elasticsearch loaders.",
        ),
        (keys.SOURCE_SQL, "postgres", "Databases, asked with SQL by the database loaders."),
        (keys.SOURCE_PUSH, "api", "Signals pushed by clients to POST /api/v1/signals."),
    )
]


class CaptureConfig(Config):
    """`due`: everything from the watermarks to now. `range`: the windows of the run's partitions once more."""

    mode: Literal["due", "range"] = "range"
    loaders: list[str] = []  # noqa: RUF012 - copied by Config; only these codes, empty: all that are ACTIVE


def build_capture_assets(partitions: DailyPartitionsDefinition) -> AssetsDefinition:
    """The four tables of capture as one multi-asset over daily partitions."""

    @multi_asset(
        name="capture",
        partitions_def=partitions,
        backfill_policy=BackfillPolicy.single_run(),
        group_name=keys.GROUP_CAPTURE,
        specs=[
            AssetSpec(
                keys.SIGNALS,
                deps=[spec.key for spec in SOURCES],
                owners=keys.OWNERS,
                kinds={"duckdb", "parquet"},
                description="One value of one series at one instant, from every loader. Identity: (loader, metric, labels).",
            ),
            AssetSpec(
                keys.LOG_LINES,
                deps=[keys.SOURCE_ELASTICSEARCH],
                owners=keys.OWNERS,
                kinds={"duckdb"},
                description="Log lines captured for pattern mining, once per document.",
            ),
            AssetSpec(
                keys.QUARANTINE,
                deps=[spec.key for spec in SOURCES],
                owners=keys.OWNERS,
                kinds={"duckdb"},
                description="Rows set aside instead of becoming signals, each with the reason and its raw value.",
            ),
            AssetSpec(
                keys.CAPTURE_LEDGER,
                deps=[spec.key for spec in SOURCES],
                owners=keys.OWNERS,
                kinds={"duckdb"},
                description="Per loader and window: captured, empty, late or missing, with error, reason and suggestion.",
            ),
        ],
        check_specs=[
            *rule_specs(keys.LOG_LINES),
            *rule_specs(keys.QUARANTINE),
            AssetCheckSpec(
                "uniqueness", asset=keys.SIGNALS, description="No instant of a series is there twice (last day)."
            ),
            AssetCheckSpec(
                "range", asset=keys.SIGNALS, description="No impossible values: percentages, counts (last day)."
            ),
            AssetCheckSpec(
                "freshness", asset=keys.SIGNALS, description="No loader is behind its schedule by over 15 minutes."
            ),
            AssetCheckSpec(
                "completeness",
                asset=keys.CAPTURE_LEDGER,
                description="At least 99 % of the last day's windows are captured.",
            ),
        ],
    )
    def capture_assets(
        context: AssetExecutionContext, config: CaptureConfig, platform: PlatformResource
    ) -> Iterator[MaterializeResult[None] | AssetCheckResult]:
        started, now = time.perf_counter(), utc_now()
        correlation_id = context.run.tags.get("etlmon/correlation_id") or new_correlation_id()
        period = None
        if config.mode == "range":
            window = context.partition_time_window
            period = (window.start, window.end)
        with platform.open() as (url, lake):
            run = capture(
                platform.settings(),
                url,
                lake,
                CaptureContext(now=now, run_id=context.run_id, correlation_id=correlation_id),
                codes=config.loaders or None,
                period=period,
                progress=lambda one: context.log.info("%s: %s signals, %s windows", one.code, one.signals, one.windows),
            )
            with correlated(correlation_id, runId=context.run_id):
                for failure in run.failed:
                    context.log.warning("%s: %s", failure.code, failure.error)
                    get_logger(__name__).error("loader failed", loader=failure.code, error=failure.error)
            yield from _materialisations(run, lake, seconds=time.perf_counter() - started)
            yield from _checks(lake, now=now)

    return capture_assets


def _materialisations(run: CaptureRun, lake: Lake, *, seconds: float) -> Iterator[MaterializeResult[None]]:
    per_loader = pl.DataFrame(
        [
            {
                "loader": one.code,
                "windows": one.windows,
                "signals": one.signals,
                "late": one.late_rows,
                "quarantined": one.quarantined,
                "series cut": one.dropped_series,
                "ms": one.duration_ms,
                "complete until": one.watermark,
                "error": one.error.error_type if one.error else "",
            }
            for one in run.outcomes.values()
        ],
        schema_overrides={"complete until": pl.Datetime("us", "UTC")},
    )
    shared: dict[str, Any] = {"duration_s": round(seconds, 2), "loaders": table(per_loader, rows=60)}
    watermarks = [one.watermark for one in run.outcomes.values() if one.watermark]
    yield MaterializeResult(
        asset_key=keys.SIGNALS,
        metadata={
            "rows": run.signals,
            "loaders_failed": len(run.failed),
            **shared,
            **(
                {"watermark": max(watermarks).isoformat(), "watermark_of_slowest": min(watermarks).isoformat()}
                if watermarks
                else {}
            ),
        },
    )
    lines = sum(one.log_lines for one in run.outcomes.values())
    newest = lake.query("SELECT logged_at, service, level, message FROM log_lines ORDER BY logged_at DESC LIMIT 8")
    yield MaterializeResult(
        asset_key=keys.LOG_LINES, metadata={"rows": lines, "duration_s": shared["duration_s"], "newest": table(newest)}
    )
    reasons = lake.query(
        "SELECT reason, loader_code, count(*) AS n, max(quarantined_at) AS last_at, any_value(detail) AS detail"
        " FROM quarantine GROUP BY ALL ORDER BY n DESC LIMIT 20"
    )
    quarantined = sum(one.quarantined for one in run.outcomes.values())
    yield MaterializeResult(
        asset_key=keys.QUARANTINE,
        metadata={"rows": quarantined, "duration_s": shared["duration_s"], "reasons": table(reasons, rows=20)},
    )
    windows = sum(one.windows + one.missing_windows for one in run.outcomes.values())
    yield MaterializeResult(asset_key=keys.CAPTURE_LEDGER, metadata={"rows": windows, **shared})


def _checks(lake: Lake, *, now: datetime) -> Iterator[AssetCheckResult]:
    since, until = recent_span(now)
    doubled = count_duplicates(lake, since=since)
    yield check(
        keys.SIGNALS, "uniqueness", is_passed=doubled == 0, summary=f"{doubled} doubled signals", is_blocking=True
    )
    strange = count_out_of_range(lake, since=since)
    yield check(keys.SIGNALS, "range", is_passed=strange == 0, summary=f"{strange} impossible values")
    fresh = read_freshness(lake, now=now)
    behind = fresh.filter(pl.col("lag_s") > pl.max_horizontal(pl.lit(_MAX_LAG_S), 2 * pl.col("period_s")))
    text = f"{behind.height} of {fresh.height} loaders behind"
    yield check(keys.SIGNALS, "freshness", is_passed=behind.is_empty(), summary=text, behind=table(behind))
    complete = read_completeness(lake, since=since, until=until)
    share = f"{complete.captured_pct:.2f} % of {complete.expected} windows captured"
    text = f"{share}, {complete.late} late, {complete.missing} missing"
    yield check(
        keys.CAPTURE_LEDGER,
        "completeness",
        is_passed=complete.captured_pct >= _MIN_COMPLETE_PCT,
        summary=text,
        worst=table(complete.worst),
    )
    yield from rule_checks(lake, keys.LOG_LINES)
    yield from rule_checks(lake, keys.QUARANTINE)
