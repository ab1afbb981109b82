"""How every component feels on one day: traffic from callers down, latency and errors from callees up.

This is where faults spread along the service graph: a slow database slows its callers, fills their pools, and ends
as gateway timeouts. All arrays have one value per scrape instant of the day.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtr

from resources.simulator.fault_model import Condition, Conditions
from resources.simulator.grid import Floats
from resources.simulator.noise import compute_smooth_noise
from resources.simulator.season import DAY_S, compute_business_season
from resources.simulator.topology import Component, Topology

BREAKER_OPENS_AT = 0.5
Edge = tuple[str, str]


@dataclass
class DayState:
    """Arrays by component, endpoint (component, path) or edge (caller, callee)."""

    times_s: Floats
    season: Floats
    requests_per_s: dict[str, Floats] = field(default_factory=dict)
    load: dict[str, Floats] = field(default_factory=dict)
    latency_ms: dict[str, Floats] = field(default_factory=dict)
    error_ratio: dict[str, Floats] = field(default_factory=dict)
    pool_demand: dict[str, Floats] = field(default_factory=dict)
    endpoint_latency_ms: dict[tuple[str, str], Floats] = field(default_factory=dict)
    endpoint_error_ratio: dict[tuple[str, str], Floats] = field(default_factory=dict)
    endpoint_timeout_ratio: dict[tuple[str, str], Floats] = field(default_factory=dict)
    edge_calls_per_s: dict[Edge, Floats] = field(default_factory=dict)
    edge_error_ratio: dict[Edge, Floats] = field(default_factory=dict)
    edge_timeout_ratio: dict[Edge, Floats] = field(default_factory=dict)
    breaker_is_open: dict[Edge, Floats] = field(default_factory=dict)


def compute_day_state(
    topology: Topology, conditions: Conditions, *, seed: int, day: int, origin_day: int, times_s: Floats
) -> DayState:
    """Traffic first (callers before callees), then latency and errors; growth counts from `origin_day`."""
    noise = compute_smooth_noise(seed, "component", day, 2 * len(topology.components))
    state = DayState(times_s=times_s, season=compute_business_season(times_s))
    growth = (1 + topology.growth_per_day) ** (times_s / DAY_S - origin_day)
    for i, component in enumerate(topology.components):
        wobble = np.exp(0.06 * noise[2 * i]) * conditions.compute(Condition.TRAFFIC_X, component.name, times_s)
        incoming = component.external_rps * state.season * growth + _calls_into(state, component.name)
        state.requests_per_s[component.name] = incoming * wobble
        for callee, calls in component.calls_per_request.items():
            state.edge_calls_per_s[component.name, callee] = state.requests_per_s[component.name] * calls
    usual = compute_usual_rps(topology)
    for i, component in reversed(list(enumerate(topology.components))):
        state.load[component.name] = state.requests_per_s[component.name] / usual[component.name]
        _add_component(state, component, topology, conditions, np.exp(0.04 * noise[2 * i + 1]))
    return state


def compute_usual_rps(topology: Topology) -> dict[str, float]:
    """Requests per second of each component at an average moment."""
    usual = {component.name: component.external_rps for component in topology.components}
    for component in topology.components:
        for callee, calls in component.calls_per_request.items():
            usual[callee] += usual[component.name] * calls
    return usual


def _calls_into(state: DayState, name: str) -> Floats:
    total = np.zeros_like(state.times_s)
    for (_, callee), calls in state.edge_calls_per_s.items():
        if callee == name:
            total = total + calls
    return total


def _add_component(
    state: DayState, component: Component, topology: Topology, conditions: Conditions, wobble: Floats
) -> None:
    name, times_s = component.name, state.times_s
    load = state.load[name]
    slower = conditions.compute(Condition.LATENCY_X, name, times_s)
    own_ms = component.own_ms * (1 + 0.12 * np.minimum(load, 6.0) ** 2) * slower * wobble
    own_error = component.error_ratio * (0.7 + 0.3 * load) + conditions.compute(Condition.ERROR_RATIO, name, times_s)
    wait_ms, wait_error = _add_pool(state, component, topology, conditions)
    for callee in component.calls_per_request:
        _add_edge(state, component, topology.component[callee], conditions)
    if not component.endpoints:
        state.latency_ms[name] = own_ms
        state.error_ratio[name] = np.clip(own_error, 0, 0.98)
        return
    for endpoint in component.endpoints:
        downstream = np.zeros_like(times_s)
        success = 1.0 - np.clip(own_error + wait_error, 0, 0.97)
        for callee, calls in endpoint.calls.items():
            downstream = downstream + calls * state.latency_ms[callee]
            seen = state.edge_error_ratio[name, callee] * (1 - topology.fallback.get(callee, 0.0))
            success = success * (1 - np.clip(seen, 0, 1)) ** calls
        latency = own_ms * endpoint.weight + downstream + wait_ms
        key = (name, endpoint.path)
        state.endpoint_latency_ms[key] = latency
        state.endpoint_error_ratio[key] = np.clip(1.0 - success, 0, 0.97)
        beyond = _share_beyond(component.timeout_s, latency, component.sigma)
        state.endpoint_timeout_ratio[key] = beyond + conditions.compute(Condition.TIMEOUT_RATIO, name, times_s)
    state.latency_ms[name] = _by_share(component, state.endpoint_latency_ms)
    both = {key: state.endpoint_error_ratio[key] + state.endpoint_timeout_ratio[key] for key in _keys(component)}
    state.error_ratio[name] = np.clip(_by_share(component, both), 0, 0.98)


def _add_pool(
    state: DayState, component: Component, topology: Topology, conditions: Conditions
) -> tuple[Floats, Floats]:
    """Connections wanted from the pool; (waiting time ms, error ratio) once more are wanted than there are."""
    zero = np.zeros_like(state.times_s)
    if not component.pool_max:
        return zero, zero
    slowness = state.latency_ms["postgres"] / topology.component["postgres"].own_ms
    wanted = 0.26 * component.pool_max * state.load[component.name] ** 0.7 * slowness**0.5
    wanted = wanted + conditions.compute(Condition.POOL_HELD, component.name, state.times_s)
    state.pool_demand[component.name] = wanted
    over = np.maximum(0.0, wanted / component.pool_max - 1.0)
    return np.minimum(900.0 * over, 2500.0), np.minimum(0.3 * over, 0.6)


def _add_edge(state: DayState, caller: Component, callee: Component, conditions: Conditions) -> None:
    edge = (caller.name, callee.name)
    timeout = _share_beyond(caller.timeout_s, state.latency_ms[callee.name], callee.sigma)
    error = state.error_ratio[callee.name]
    forced = conditions.compute(Condition.BREAKER_OPEN, ">".join(edge), state.times_s)
    is_open = (forced > BREAKER_OPENS_AT) | (error + timeout > BREAKER_OPENS_AT)
    state.breaker_is_open[edge] = is_open.astype(np.float64)
    state.edge_timeout_ratio[edge] = timeout
    state.edge_error_ratio[edge] = np.where(forced > BREAKER_OPENS_AT, 0.97, np.clip(error, 0, 0.98))


def _share_beyond(timeout_s: float, latency_ms: Floats, sigma: float) -> Floats:
    """Share of log-normal latencies (median `latency_ms`) beyond the timeout."""
    share: Floats = ndtr(-(np.log(timeout_s * 1000.0) - np.log(latency_ms)) / sigma)
    return share


def _keys(component: Component) -> list[tuple[str, str]]:
    return [(component.name, endpoint.path) for endpoint in component.endpoints]


def _by_share(component: Component, values: dict[tuple[str, str], Floats]) -> Floats:
    total: Floats = np.sum([e.share * values[component.name, e.path] for e in component.endpoints], axis=0)
    return total
