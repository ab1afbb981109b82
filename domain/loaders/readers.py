"""What reads the signals of a loader further down: marts, reports, capacity dates, log patterns. For who is about to change it."""

from __future__ import annotations

from domain.loaders.definition import LoaderDefinition

#: Metrics that the marts and reports know by name (dbt/seeds/metric_roles.csv; a test compares the two).
METRICS_OF_REPORTS = frozenset(
    {
        "http_requests",
        "http_errors",
        "api_latency_p99_ms",
        "service_uptime_pct",
        "gateway_auth_failures",
        "loader_db_timeouts",
        "circuit_breaker_trips",
        "log_errors",
        "loader_runs_total",
        "loader_runs_succeeded",
        "loader_success_rate_pct",
    }
)


def list_readers(definition: LoaderDefinition) -> list[str]:
    """One line per reader; empty only for a loader that yields nothing."""
    names = [one.metric_name for one in definition.metrics]
    reported = [name for name in names if name in METRICS_OF_REPORTS]
    limited = [one.metric_name for one in definition.metrics if one.limit is not None]
    found = []
    if names or definition.accepts_any_metric:
        found.append("rollups, baselines, anomalies and forecasts of its series")
    if reported:
        found.append(f"marts and the weekly, monthly and SLA reports: {', '.join(reported)}")
    if limited:
        found.append(f"capacity dates: {', '.join(limited)}")
    if definition.log_lines:
        found.append("log patterns and their bursts")
    return found
