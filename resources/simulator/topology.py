"""The frozen model of `rules/estate/topology.yaml`: components, pods, endpoints, calls, nodes and ETL loaders.

What the estate consists of. How it behaves over time is in `component_state.py`, what it emits in `families/`.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from resources.rule_files import load_rule_file, shipped_rules

SHIPPED_RULES = shipped_rules()


class Frozen(BaseModel):
    """Immutable, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Endpoint(Frozen):
    """One HTTP route of a component: its share of requests, its weight of own work, its calls per request."""

    path: str
    share: float
    weight: float = 1.0
    calls: dict[str, int] = Field(default_factory=dict)


class Component(Frozen):
    """A service, database or cache; `own_ms` is its own work without its callees, `cpu_base` a ratio of its limit."""

    name: str
    kind: Literal["http", "database", "cache"]
    own_ms: float
    sigma: float
    error_ratio: float
    timeout_s: float = 30.0
    pods: list[str]
    cpu_limit_cores: float
    cpu_base: float
    memory_limit_mb: float
    memory_base: float
    pool_max: int = 0
    external_rps: float = 0.0
    endpoints: list[Endpoint] = Field(default_factory=list)

    @cached_property
    def calls_per_request(self) -> dict[str, float]:
        """Mean calls to each callee per request."""
        total: dict[str, float] = {}
        for endpoint in self.endpoints:
            for callee, count in endpoint.calls.items():
                total[callee] = total.get(callee, 0.0) + endpoint.share * count
        return total


class Node(Frozen):
    """A machine; `disk_growth_per_day` is a ratio of the disk."""

    name: str
    cores: int
    memory_gb: float
    disk_gb: float
    disk_used: float
    disk_growth_per_day: float


class EtlLoader(Frozen):
    """A scheduled ETL job of the estate."""

    name: str
    period_s: int
    phase_s: int
    rows: int
    duration_s: float
    fail_ratio: float


class Topology(Frozen):
    """The whole estate. Components stand in call order: callers before callees."""

    namespace: str
    growth_per_day: float
    deploy_weekday: int
    deploy_minute_of_day: int
    components: list[Component]
    fallback: dict[str, float]
    nodes: list[Node]
    loaders: list[EtlLoader]

    @cached_property
    def component(self) -> dict[str, Component]:
        """Components by name."""
        return {component.name: component for component in self.components}

    @cached_property
    def services(self) -> list[Component]:
        """Components that serve HTTP."""
        return [component for component in self.components if component.kind == "http"]

    @cached_property
    def edges(self) -> list[tuple[str, str]]:
        """(caller, callee) pairs, in call order."""
        return [(caller.name, callee) for caller in self.components for callee in caller.calls_per_request]

    @cached_property
    def pods(self) -> list[tuple[Component, str, str]]:
        """(component, pod, node) of every pod; pods are dealt to the nodes in turn."""
        flat = [(component, pod) for component in self.components for pod in component.pods]
        return [(component, pod, self.nodes[i % len(self.nodes)].name) for i, (component, pod) in enumerate(flat)]

    def targets(self) -> set[str]:
        """Every name that a fault may aim at."""
        edges = {f"{caller}>{callee}" for caller, callee in self.edges}
        pods = {pod for _, pod, _ in self.pods}
        names = {*self.component, *(n.name for n in self.nodes), *(x.name for x in self.loaders)}
        return names | pods | edges


def load_topology(rules: Path = SHIPPED_RULES) -> Topology:
    """The estate as shipped, or as an operator rewrote it under `rules/estate/`."""
    return load_rule_file(rules / "estate" / "topology.yaml", Topology)
