"""Asset keys, groups, owners and kinds: the only names that another package may import from here."""

from __future__ import annotations

from typing import Final

from dagster import AssetKey

SOURCE_PROMETHEUS: Final = AssetKey(["source", "prometheus"])
SOURCE_ELASTICSEARCH: Final = AssetKey(["source", "elasticsearch"])
SOURCE_SQL: Final = AssetKey(["source", "sql"])
SOURCE_PUSH: Final = AssetKey(["source", "push"])
SIGNALS: Final = AssetKey("signals")
CAPTURE_LEDGER: Final = AssetKey("capture_ledger")
LOG_LINES: Final = AssetKey("log_lines")
QUARANTINE: Final = AssetKey("quarantine")
SIGNALS_HOURLY: Final = AssetKey("signals_hourly")
BASELINES: Final = AssetKey("baselines")
ANOMALIES: Final = AssetKey("anomalies")
INCIDENT_PERIODS: Final = AssetKey("incident_periods")
CONTROL_CHARTS: Final = AssetKey("control_charts")
SEASONALITY: Final = AssetKey("seasonality")
FORECASTS: Final = AssetKey("forecasts")
LOG_PATTERNS: Final = AssetKey("log_patterns")
CAPACITY: Final = AssetKey("capacity")
REPORT_WEEKLY: Final = AssetKey("report_weekly")
REPORT_MONTHLY: Final = AssetKey("report_monthly")
REPORT_SLA: Final = AssetKey("report_sla")

GROUP_SOURCES: Final = "sources"
GROUP_CAPTURE: Final = "capture"
GROUP_ANALYTICS: Final = "analytics"
GROUP_OUTLOOK: Final = "outlook"
GROUP_MARTS: Final = "marts"
GROUP_REPORTS: Final = "reports"

OWNERS: Final = ["team:data-platform"]
