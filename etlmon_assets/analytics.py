"""Analytics as assets: rollup, baselines, anomalies, incident periods, control charts, log patterns.

Every body opens the lake, calls one function of resources.analytics and shows what came of it.
"""

# Dagster reads annotations at definition time: no postponed evaluation here.
from collections.abc import Iterator
from typing import Any

from dagster import AssetCheckSpec, AssetsDefinition, MaterializeResult, asset

from etlmon_assets import keys
from etlmon_assets.showing import check, line_plot, rule_checks, rule_specs, table
from etlmon_assets.stepping import run_step
from resources.analytics.anomalies import detect_new_anomalies, refresh_incident_periods
from resources.analytics.baselines import refresh_baselines
from resources.analytics.causal_scores import detect_causal_anomalies
from resources.analytics.drift import refresh_control_charts
from resources.analytics.log_patterns import refresh_log_patterns
from resources.analytics.views import (
    count_bad_baselines,
    read_anomaly_rate,
    read_loudest_series,
    read_newest_anomalies,
    read_out_of_control,
    read_rollup_gap,
)
from resources.dagster_bindings import PlatformResource
from resources.lake.maintenance import roll_up
from resources.push_inbox import archive_pushed

_MAX_ANOMALY_PCT = 5.0
_COMMON: dict[str, Any] = {"group_name": keys.GROUP_ANALYTICS, "owners": keys.OWNERS}


@asset(
    key=keys.SIGNALS_HOURLY,
    deps=[keys.SIGNALS],
    kinds={"duckdb", "parquet"},
    **_COMMON,
    description="Points, mean, spread, extremes and total per series and hour; the hours that received rows are recomputed.",
    check_specs=[
        AssetCheckSpec(
            "agrees_with_signals",
            asset=keys.SIGNALS_HOURLY,
            description="The points of the last two days add up to the signals of the last two days.",
        )
    ],
)
def signals_hourly(platform: PlatformResource) -> Iterator[Any]:
    """Rollup of signals."""
    with platform.open() as (url, lake):
        step = run_step(lake, lambda inner, now: roll_up(inner))  # noqa: ARG005 - a rollup needs no clock
        if step.result.reached_at:
            archive_pushed(url, step.result.reached_at, now=step.now)
        gap = read_rollup_gap(lake, now=step.now)
        newest = lake.query(
            "SELECT h.hour_at, s.metric_name, s.labels::VARCHAR AS labels, h.points, h.mean, h.p95, h.maximum"
            " FROM signals_hourly AS h JOIN series AS s USING (series_id)"
            " WHERE h.hour_at = (SELECT max(hour_at) FROM signals_hourly) ORDER BY s.metric_name, labels LIMIT 12"
        )
        yield MaterializeResult(
            metadata={
                "newest": table(newest, rows=12),
                "rows": step.result.hourly_rows,
                "hours": step.result.hours,
                **step.facts,
                **({"watermark": step.result.reached_at.isoformat()} if step.result.reached_at else {}),
            },
        )
        yield check(
            keys.SIGNALS_HOURLY, "agrees_with_signals", is_passed=gap == 0, summary=f"{gap} signals not in the rollup"
        )


@asset(
    key=keys.BASELINES,
    deps=[keys.SIGNALS],
    kinds={"polars", "duckdb"},
    **_COMMON,
    description="Normal level and spread per series, hour of the week, hour of the day and overall, from the seven days before "
    "`computed_at`, incident periods left out. New set every six hours. Incident periods come from the anomalies judged before.",
    check_specs=[AssetCheckSpec("range", asset=keys.BASELINES, description="Spreads are finite and not negative.")],
)
def baselines(platform: PlatformResource) -> Iterator[Any]:
    """Baselines per time of week."""
    with platform.open() as (_, lake):
        step = run_step(lake, refresh_baselines)
        found = step.result
        picture = read_loudest_series(lake, now=step.now)
        yield MaterializeResult(
            metadata={
                "rows": found.rows,
                "sets": len(found.computed_at),
                "series": found.series,
                "excluded_periods": found.excluded_periods,
                **step.facts,
                "plot": line_plot(
                    picture,
                    x="captured_at",
                    lines=["metric_value", "expected"],
                    band=("lower", "upper"),
                    title=picture["title"][0] if picture.height else "",
                ),
            },
        )
        bad = count_bad_baselines(lake)
        yield check(keys.BASELINES, "range", is_passed=bad == 0, summary=f"{bad} impossible baselines")


@asset(
    key=keys.ANOMALIES,
    deps=[keys.SIGNALS, keys.BASELINES],
    kinds={"polars", "duckdb"},
    **_COMMON,
    description="Signals outside their baseline, with score, expected value, limits and the detector that spoke; a signal is "
    "judged by baselines computed before it. And signals that the causal score calls (detector `causal`), one per episode: its "
    "state per series goes on from run to run.",
    check_specs=[
        AssetCheckSpec(
            "rate",
            asset=keys.ANOMALIES,
            description="At most 5 % of a day's judged signals are anomalous; more means the detector is wrong.",
        )
    ],
)
def anomalies(platform: PlatformResource) -> Iterator[Any]:
    """Anomalies of what arrived since the last look."""
    with platform.open() as (_, lake):
        step = run_step(lake, detect_new_anomalies)
        found = step.result
        folder = platform.settings().home / "state"
        online = run_step(lake, lambda inner, now: detect_causal_anomalies(inner, folder=folder, now=now))
        causal = online.result
        yield MaterializeResult(
            metadata={
                "rows": found.found + causal.found,
                "judged": found.judged,
                "without_history": found.without_history,
                "causal_rows": causal.found,
                "causal_judged": causal.judged,
                "causal_late": causal.late,
                "causal_series": causal.series,
                "causal_state_mb": round(causal.state_bytes / 1e6, 1),
                "causal_duration_s": online.duration_s,
                **step.facts,
                "newest": table(read_newest_anomalies(lake), rows=12),
            },
        )
        rate = read_anomaly_rate(lake, now=step.now)
        yield check(
            keys.ANOMALIES,
            "rate",
            is_passed=rate <= _MAX_ANOMALY_PCT,
            summary=f"{rate:.2f} % of the last day's signals",
        )


@asset(
    key=keys.INCIDENT_PERIODS,
    check_specs=rule_specs(keys.INCIDENT_PERIODS),
    deps=[keys.ANOMALIES],
    kinds={"duckdb"},
    **_COMMON,
    description="When a service was probably unwell: several of its metrics anomalous together. Kept out of the next baselines.",
)
def incident_periods(platform: PlatformResource) -> Iterator[Any]:
    """Suspected incidents."""
    with platform.open() as (_, lake):
        step = run_step(lake, refresh_incident_periods)
        newest = step.result.sort("started_at", descending=True).select("service", "started_at", "ended_at")
        yield MaterializeResult(
            metadata={"rows": step.result.height, **step.facts, "newest": table(newest, rows=15)},
        )
        yield from rule_checks(lake, keys.INCIDENT_PERIODS)


@asset(
    key=keys.CONTROL_CHARTS,
    check_specs=rule_specs(keys.CONTROL_CHARTS),
    deps=[keys.SIGNALS, keys.BASELINES],
    kinds={"polars", "duckdb"},
    **_COMMON,
    description="Shewhart, EWMA and CUSUM charts of the last two days on baseline residuals: drift that single points do not show.",
)
def control_charts(platform: PlatformResource) -> Iterator[Any]:
    """Control charts."""
    with platform.open() as (_, lake):
        step = run_step(lake, refresh_control_charts)
        out = read_out_of_control(lake)
        yield MaterializeResult(
            metadata={"rows": step.result.height, **step.facts, "out_of_control": table(out, rows=15)},
        )
        yield from rule_checks(lake, keys.CONTROL_CHARTS)


@asset(
    key=keys.LOG_PATTERNS,
    check_specs=rule_specs(keys.LOG_PATTERNS),
    deps=[keys.LOG_LINES],
    kinds={"python", "duckdb"},
    **_COMMON,
    description="Templates mined from the captured log lines, counted per quarter of an hour and service; new and bursting ones.",
)
def log_patterns(platform: PlatformResource) -> Iterator[Any]:
    """Log templates, new ones, bursts."""
    with platform.open() as (_, lake):
        step = run_step(lake, refresh_log_patterns)
        top = lake.query("SELECT name, template, lines, last_seen_at FROM log_templates ORDER BY lines DESC LIMIT 12")
        findings = lake.query(
            "SELECT f.window_start, f.kind, f.service, t.name, f.lines, f.expected, f.score FROM log_pattern_findings AS f"
            " LEFT JOIN log_templates AS t USING (template_id) ORDER BY f.window_start DESC, f.score DESC LIMIT 12"
        )
        yield MaterializeResult(
            metadata={
                "rows": step.result.lines,
                "templates": step.result.templates,
                **step.facts,
                "most_frequent": table(top, rows=12),
                "findings": table(findings, rows=12),
            },
        )
        yield from rule_checks(lake, keys.LOG_PATTERNS)


ANALYTICS_ASSETS: list[AssetsDefinition] = [
    signals_hourly,
    baselines,
    anomalies,
    incident_periods,
    control_charts,
    log_patterns,
]
