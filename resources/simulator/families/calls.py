"""Calls between components as their callers see them, and the circuit breakers around them."""

from __future__ import annotations

import numpy as np

from resources.simulator.estate_day import EstateDay
from resources.simulator.families.family import (
    Family,
    SeriesSpec,
    build_histogram_series,
    compute_bucket_increments,
)
from resources.simulator.grid import Floats
from resources.simulator.topology import Topology

OUTCOMES = ("success", "error", "timeout")
CLOSED, HALF_OPEN, OPEN = 0.0, 1.0, 2.0


def build_call_families(topology: Topology) -> list[Family]:
    """client_requests_total, client_request_duration_seconds, circuit_breaker_state (0 closed, 1 half-open, 2 open)."""
    labels = [{"job": "etl", "caller": caller, "callee": callee} for caller, callee in topology.edges]
    calls = [
        SeriesSpec("client_requests_total", {**edge, "outcome": outcome}, edge["caller"], is_counter=True)
        for edge in labels
        for outcome in OUTCOMES
    ]
    durations = [
        spec
        for edge in labels
        for spec in build_histogram_series("client_request_duration_seconds", edge, edge["caller"])
    ]
    breakers = [
        SeriesSpec("circuit_breaker_state", {"job": "etl", "service": e["caller"], "callee": e["callee"]}, e["caller"])
        for e in labels
    ]
    trips = [SeriesSpec("circuit_breaker_trips_total", spec.labels, spec.owner, is_counter=True) for spec in breakers]
    return [
        Family("client_requests", calls, _compute_calls),
        Family("client_durations", durations, _compute_durations),
        Family("breakers", breakers + trips, _compute_breakers),
    ]


def _compute_calls(day: EstateDay) -> Floats:
    state, edges = day.state, day.topology.edges
    means = [state.edge_calls_per_s[e] * ratio[e] for e in edges for ratio in _ratios(day)]
    bad = day.draw_counts("calls-bad", np.array(means)).reshape(len(edges), 2, -1)
    total = np.array([day.call_counts[edge] for edge in edges])
    good = np.maximum(0.0, total - bad.sum(axis=1))
    rows: Floats = np.concatenate([good[:, None, :], bad], axis=1).reshape(len(edges) * 3, -1)
    return rows


def _ratios(day: EstateDay) -> tuple[dict[tuple[str, str], Floats], dict[tuple[str, str], Floats]]:
    return day.state.edge_error_ratio, day.state.edge_timeout_ratio


def _compute_durations(day: EstateDay) -> Floats:
    wobble = day.smooth("client-durations", len(day.topology.edges))
    blocks = [
        compute_bucket_increments(
            day.call_counts[edge],
            day.state.latency_ms[edge[1]] / 1000.0 * np.exp(0.05 * wobble[i]),
            day.topology.component[edge[1]].sigma,
        )
        for i, edge in enumerate(day.topology.edges)
    ]
    rows: Floats = np.concatenate(blocks)
    return rows


def _compute_breakers(day: EstateDay) -> Floats:
    is_open = np.array([day.state.breaker_is_open[edge] for edge in day.topology.edges]) > 0
    was_open = np.concatenate([is_open[:, :1], is_open[:, :-1]], axis=1)
    level = np.where(is_open, OPEN, np.where(was_open, HALF_OPEN, CLOSED))
    trips = (is_open & ~was_open).astype(np.float64)
    rows: Floats = np.concatenate([level, trips])
    return rows
