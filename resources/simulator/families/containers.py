"""Pods: up, memory, CPU, restarts and their limits, as cAdvisor and kube-state-metrics name them."""

from __future__ import annotations

import numpy as np

from resources.simulator.estate_day import SCRAPE_S, EstateDay
from resources.simulator.families.family import Family, SeriesSpec
from resources.simulator.fault_model import Condition
from resources.simulator.grid import Floats
from resources.simulator.topology import Topology

MB = 1024.0 * 1024.0


def build_container_families(topology: Topology) -> list[Family]:
    """One series per pod and metric; `up` also for the nodes."""
    pods = [
        (
            component.name,
            {"job": "kubernetes", "namespace": topology.namespace, "service": component.name, "pod": pod, "node": node},
        )
        for component, pod, node in topology.pods
    ]

    def per_pod(name: str, *, is_counter: bool = False, is_whole: bool = True) -> list[SeriesSpec]:
        return [
            SeriesSpec(name, labels, owner, is_counter=is_counter, is_whole=is_whole, pod=labels["pod"])
            for owner, labels in pods
        ]

    up = [
        SeriesSpec(
            "up", {"job": "etl", "service": o, "instance": f"{x['pod']}:8080", "pod": x["pod"]}, o, is_masked=False
        )
        for o, x in pods
    ]
    up += [
        SeriesSpec(
            "up", {"job": "node", "instance": f"{node.name}:9100", "node": node.name}, node.name, is_masked=False
        )
        for node in topology.nodes
    ]
    limits = per_pod("container_spec_memory_limit_bytes") + per_pod("container_spec_cpu_limit_cores")
    restarts = [
        SeriesSpec("kube_pod_container_status_restarts_total", spec.labels, "kubernetes", is_counter=True)
        for spec in per_pod("restarts")
    ]
    return [
        Family("up", up, _compute_up),
        Family("container_memory", per_pod("container_memory_usage_bytes"), _compute_memory),
        Family(
            "container_cpu",
            per_pod("container_cpu_usage_seconds_total", is_counter=True, is_whole=False),
            _compute_cpu,
        ),
        Family("container_limits", limits, _compute_limits),
        Family("container_restarts", restarts, _compute_restarts),
    ]


def compute_restart_flags(day: EstateDay, pod: str) -> Floats:
    """1 at every scrape that is the first after a restart of the pod."""
    per_min = day.condition(Condition.RESTARTS_PER_MIN, pod)
    passed = np.floor(np.cumsum(per_min) * SCRAPE_S / 60.0)
    flags: Floats = (np.diff(passed, prepend=0.0) > 0).astype(np.float64)
    return flags


def _compute_up(day: EstateDay) -> Floats:
    rows = []
    for component, pod, _ in day.topology.pods:
        lost = day.condition(Condition.SCRAPE_LOST, component.name) > 0.5
        rows.append(1.0 - (lost | (compute_restart_flags(day, pod) > 0)))
    rows += [1.0 - (day.condition(Condition.SCRAPE_LOST, node.name) > 0.5) for node in day.topology.nodes]
    return np.array(rows, dtype=np.float64)


def _compute_memory(day: EstateDay) -> Floats:
    smooth = day.smooth("memory", len(day.topology.pods))
    rows = []
    for i, (component, pod, _) in enumerate(day.topology.pods):
        load = np.minimum(day.state.load[component.name], 4.0)
        ratio = component.memory_base + 0.06 * (load - 1.0) + 0.012 * smooth[i]
        ratio = ratio + day.condition(Condition.MEMORY_RATIO, pod)
        rows.append(np.floor(np.clip(ratio, 0.02, 0.995) * component.memory_limit_mb * MB))
    return np.array(rows)


def _compute_cpu(day: EstateDay) -> Floats:
    smooth, jitter = day.smooth("cpu", len(day.topology.pods)), day.jitter("cpu", len(day.topology.pods))
    rows = []
    for i, (component, pod, _) in enumerate(day.topology.pods):
        load = np.minimum(day.state.load[component.name], 4.0)
        ratio = component.cpu_base * (0.25 + 0.75 * load) * np.exp(0.07 * smooth[i] + 0.05 * jitter[i])
        ratio = np.clip(ratio + day.condition(Condition.CPU_RATIO, pod), 0.0, 0.99)
        rows.append(ratio * component.cpu_limit_cores * SCRAPE_S)
    return np.array(rows)


def _compute_limits(day: EstateDay) -> Floats:
    memory = [component.memory_limit_mb * MB for component, _, _ in day.topology.pods]
    cores = [component.cpu_limit_cores for component, _, _ in day.topology.pods]
    flat: Floats = np.repeat(np.array([*memory, *cores])[:, None], day.times_s.size, axis=1)
    return flat


def _compute_restarts(day: EstateDay) -> Floats:
    return np.array([compute_restart_flags(day, pod) for _, pod, _ in day.topology.pods])
