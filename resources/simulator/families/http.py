"""HTTP requests of the services: counts by status and durations."""

from __future__ import annotations

import numpy as np

from resources.simulator.estate_day import EstateDay
from resources.simulator.families.family import (
    Family,
    SeriesSpec,
    build_histogram_series,
    compute_bucket_increments,
)
from resources.simulator.fault_model import Condition
from resources.simulator.grid import Floats
from resources.simulator.topology import Topology

STATUSES = ("200", "401", "500", "504")
USUAL_UNAUTHORIZED = {"/api/auth/login": 0.0006, "/auth/login": 0.0006}
USUAL_TIMEOUTS = 0.0002
JOB = {"job": "etl"}


def build_http_families(topology: Topology) -> list[Family]:
    """Requests by status, and the duration histogram, of every endpoint."""
    keys = [(s.name, e.path) for s in topology.services for e in s.endpoints]
    counters = [
        SeriesSpec(
            "http_requests_total", {**JOB, "service": name, "endpoint": path, "status": status}, name, is_counter=True
        )
        for name, path in keys
        for status in STATUSES
    ]
    durations = [
        spec
        for name, path in keys
        for spec in build_histogram_series(
            "http_request_duration_seconds", {**JOB, "service": name, "endpoint": path}, name
        )
    ]
    return [
        Family("http_requests", counters, lambda day: _compute_requests(day, keys)),
        Family("http_durations", durations, lambda day: _compute_durations(day, keys)),
    ]


def _compute_requests(day: EstateDay, keys: list[tuple[str, str]]) -> Floats:
    state = day.state
    means = []
    for key in keys:
        service, path = key
        share = next(e.share for e in day.topology.component[service].endpoints if e.path == path)
        per_s = state.requests_per_s[service] * share
        usual = USUAL_UNAUTHORIZED.get(path, 0.0)
        refused = usual + (day.condition(Condition.AUTH_FAILURE_RATIO, "auth") if usual else 0.0 * state.times_s)
        timeouts = state.endpoint_timeout_ratio[key] + (USUAL_TIMEOUTS if service == "gateway" else 0.0)
        means += [per_s * refused, per_s * state.endpoint_error_ratio[key], per_s * np.minimum(timeouts, 0.95)]
    bad = day.draw_counts("http-bad", np.array(means)).reshape(len(keys), 3, -1)
    total = np.array([day.request_counts[key] for key in keys])
    good = np.maximum(0.0, total - bad.sum(axis=1))
    rows: Floats = np.concatenate([good[:, None, :], bad], axis=1).reshape(len(keys) * 4, -1)
    return rows


def _compute_durations(day: EstateDay, keys: list[tuple[str, str]]) -> Floats:
    wobble = day.smooth("http-durations", len(keys))
    blocks = [
        compute_bucket_increments(
            day.request_counts[key],
            day.state.endpoint_latency_ms[key] / 1000.0 * np.exp(0.05 * wobble[i]),
            day.topology.component[key[0]].sigma,
        )
        for i, key in enumerate(keys)
    ]
    rows: Floats = np.concatenate(blocks)
    return rows
