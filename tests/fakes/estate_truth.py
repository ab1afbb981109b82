"""How each fault of the estate has to be found: by one of these rules, which carry the right category and severity."""

from __future__ import annotations

from collections.abc import Sequence

from domain.detection.alert_event import AlertEvent
from resources.simulator.fault_model import FaultWindow
from tests.fakes.estate_detection import events_of

#: fault → (rule that names it, category, severity)
TRUTH: dict[str, tuple[str, str, str]] = {
    "slow-database": ("database-slow", "integration", "HIGH"),
    "connection-pool": ("pool-exhausted", "infrastructure", "CRITICAL"),
    "loader-failures": ("loader-failing", "transaction", "HIGH"),
    "error-burst": ("transaction-success-rate", "transaction", "HIGH"),
    "auth-failure-burst": ("authentication-failures", "log", "HIGH"),
    "memory-leak": ("pod-memory", "infrastructure", "HIGH"),
    "cpu-hog": ("pod-cpu", "infrastructure", "MEDIUM"),
    "disk-fill": ("disk-filling", "infrastructure", "HIGH"),
    "restart-loop": ("pod-restarts", "infrastructure", "HIGH"),
    "gateway-timeouts": ("gateway-timeouts", "integration", "HIGH"),
    "breaker-flapping": ("breaker-trips", "integration", "HIGH"),
    "missing-data": ("metrics-missing", "data", "HIGH"),
    "late-data": ("run-records-late", "data", "MEDIUM"),
    "schema-change": ("rows-rejected", "data", "HIGH"),
    "latency-regression": ("latency-regression", "transaction", "MEDIUM"),
    "stale-cache": ("cache-stale", "data", "MEDIUM"),
    "dependency-failure": ("dependency-failing", "integration", "HIGH"),
    "traffic-spike": ("traffic-spike", "transaction", "LOW"),
    "traffic-drop": ("traffic-drop", "transaction", "HIGH"),
    "deadlocks": ("database-deadlocks", "log", "HIGH"),
    "slow-loader": ("loader-slow", "transaction", "MEDIUM"),
    "empty-source": ("rows-few", "data", "HIGH"),
}


def find_fault(fault: FaultWindow, events: Sequence[AlertEvent]) -> AlertEvent | None:
    """The first alert that names the fault."""
    rule_id, category, severity = TRUTH[fault.fault]
    fitting = (event for event in events_of(events, fault) if event.rule_id == rule_id)
    return next((event for event in fitting if (event.category, event.severity) == (category, severity)), None)


def is_found(fault: FaultWindow, events: Sequence[AlertEvent]) -> bool:
    """One alert names it."""
    return find_fault(fault, events) is not None
