"""Machines: CPU by mode, memory and filesystems, as the node exporter names them. The data disks grow until full."""

from __future__ import annotations

import numpy as np

from resources.simulator.estate_day import SCRAPE_S, EstateDay
from resources.simulator.families.family import Family, SeriesSpec
from resources.simulator.fault_model import Condition
from resources.simulator.grid import Floats
from resources.simulator.topology import Node, Topology

MODES = ("user", "system", "iowait", "idle")
GB = 1024.0**3
CLEANED_EVERY_DAYS = 120.0


def build_node_families(topology: Topology) -> list[Family]:
    """Node exporter series of every node."""
    nodes = topology.nodes

    def labels(node: Node, **more: str) -> dict[str, str]:
        return {"job": "node", "node": node.name, "instance": f"{node.name}:9100", **more}

    cpu = [
        SeriesSpec("node_cpu_seconds_total", labels(n, mode=m), n.name, is_counter=True, is_whole=False)
        for n in nodes
        for m in MODES
    ]
    memory = [
        SeriesSpec(name, labels(n), n.name)
        for n in nodes
        for name in ("node_memory_MemTotal_bytes", "node_memory_MemAvailable_bytes")
    ]
    disk = [
        SeriesSpec(name, labels(n, mountpoint=mount, device=device, fstype="ext4"), n.name)
        for n in nodes
        for mount, device in (("/", "/dev/sda1"), ("/var/lib/data", "/dev/sdb1"))
        for name in ("node_filesystem_size_bytes", "node_filesystem_avail_bytes")
    ]
    return [
        Family("node_cpu", cpu, _compute_cpu),
        Family("node_memory", memory, _compute_memory),
        Family("node_filesystem", disk, _compute_disk),
    ]


def _node_load(day: EstateDay, node: Node) -> Floats:
    used = np.zeros_like(day.times_s)
    for component, pod, where in day.topology.pods:
        if where == node.name:
            extra = day.condition(Condition.CPU_RATIO, pod)
            share = component.cpu_base * (0.25 + 0.75 * day.state.load[component.name]) + extra
            used = used + np.clip(share, 0, 1) * component.cpu_limit_cores
    return used / node.cores


def _compute_cpu(day: EstateDay) -> Floats:
    smooth = day.smooth("node-cpu", len(day.topology.nodes))
    rows: list[Floats] = []
    for i, node in enumerate(day.topology.nodes):
        busy = (0.06 + 1.6 * _node_load(day, node)) * np.exp(0.05 * smooth[i])
        busy = np.clip(busy + day.condition(Condition.CPU_RATIO, node.name), 0.0, 0.98)
        seconds = node.cores * SCRAPE_S
        rows += [busy * 0.78 * seconds, busy * 0.16 * seconds, busy * 0.06 * seconds, (1 - busy) * seconds]
    return np.array(rows)


def _compute_memory(day: EstateDay) -> Floats:
    smooth = day.smooth("node-memory", len(day.topology.nodes))
    rows: list[Floats] = []
    for i, node in enumerate(day.topology.nodes):
        used = 0.48 + 0.05 * (day.state.season - 1.0) + 0.01 * smooth[i]
        used = np.clip(used + day.condition(Condition.MEMORY_RATIO, node.name), 0.02, 0.99)
        total = np.full_like(used, node.memory_gb * GB)
        rows += [total, np.floor(total * (1 - used))]
    return np.array(rows)


def _compute_disk(day: EstateDay) -> Floats:
    """The root disk breathes; the data disk grows, and is cleaned after CLEANED_EVERY_DAYS."""
    jitter = day.smooth("disk", 2 * len(day.topology.nodes))
    rows: list[Floats] = []
    age_days = day.age_days % CLEANED_EVERY_DAYS
    for i, node in enumerate(day.topology.nodes):
        total = np.full_like(day.times_s, node.disk_gb * GB)
        filling = day.condition(Condition.DISK_RATIO, node.name)
        root = 0.36 + 0.004 * jitter[2 * i]
        data = node.disk_used + node.disk_growth_per_day * age_days
        data = np.clip(data + 0.002 * jitter[2 * i + 1] + filling, 0.0, 0.998)
        rows += [total, np.floor(total * (1 - root)), total, np.floor(total * (1 - data))]
    return np.array(rows)
