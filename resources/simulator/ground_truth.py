"""Faults and their windows as plain facts for JSON: the same words on the control API and the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from resources.simulator.fault_model import FaultCatalogue, FaultDefinition, FaultWindow


def describe_fault(fault: FaultDefinition) -> dict[str, Any]:
    """What a fault does, whom it hits and which signals move."""
    return {
        "name": fault.name,
        "title": fault.title,
        "description": fault.description,
        "target": fault.target,
        "signals": fault.signals,
        "default_for_s": fault.default_for_s,
    }


def describe_window(catalogue: FaultCatalogue, window: FaultWindow, *, now_s: float) -> dict[str, Any]:
    """One window of ground truth."""
    fault = catalogue.find(window.fault)
    state = "planned" if now_s < window.started_s else "active" if now_s < window.ended_s else "over"
    return {
        "window_id": window.window_id,
        "name": window.fault,
        "target": fault.target,
        "signals": fault.signals,
        "started_at": _instant(window.started_s),
        "ended_at": _instant(window.ended_s),
        "state": state,
        "origin": window.origin,
    }


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
