"""Who depends on whom: services by the calls that captured series name, pods and instances by the service they are of, services
by the nodes they run on, and what configuration adds. A place is "kind:name": service:gateway, node:worker-1, loader:orders.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Literal

EdgeKind = Literal["calls", "member-of", "runs-on"]


@dataclass(frozen=True, slots=True)
class Edge:
    """`caller` depends on `callee` (calls, runs-on), or is a part of it (member-of)."""

    caller: str
    callee: str
    kind: EdgeKind


@dataclass(frozen=True, slots=True)
class Places:
    """Where an alert is: `subject` is what it is about; for a failing call also who called whom."""

    subject: str
    caller: str = ""
    callee: str = ""

    @property
    def all(self) -> set[str]:
        """Every place that it names."""
        return {place for place in (self.subject, self.caller, self.callee) if place}


#: How many calls away a cause may be.
REACH = 3


@dataclass(eq=False)
class ServiceGraph:
    """Answers about dependencies; built once per decision. `wanted` are patterns of configuration: ("loader:*", "service:loader")."""

    edges: Iterable[Edge] = ()
    wanted: Iterable[tuple[str, str]] = ()
    _below: dict[str, set[str]] = field(default_factory=dict)
    _above: dict[str, set[str]] = field(default_factory=dict)
    _called_by: dict[str, set[str]] = field(default_factory=dict)
    _whole: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.wanted = tuple(self.wanted)
        for edge in self.edges:
            if edge.kind == "member-of":
                self._whole[edge.caller] = edge.callee
                continue
            self._below.setdefault(edge.caller, set()).add(edge.callee)
            self._above.setdefault(edge.callee, set()).add(edge.caller)
            if edge.kind == "calls":
                self._called_by.setdefault(edge.callee, set()).add(edge.caller)
        self._services = {place for place in self._below.keys() | self._above.keys() if place.startswith("service:")}
        self._services |= set(self._whole.values())
        self._reached = lru_cache(maxsize=65_536)(self._walk)

    def callers_of(self, place: str) -> set[str]:
        """Who is known to call it."""
        return self._called_by.get(place, set())

    def dependencies(self, place: str) -> dict[str, int]:
        """What a place needs, directly or not, with the number of steps (1 to REACH), nearest first."""
        return self._reached(place, True)

    def dependents(self, place: str) -> dict[str, int]:
        """Who needs a place, directly or not, nearest first. Patterns of configuration are not walked upwards."""
        return self._reached(place, False)

    def depends(self, one: str, other: str) -> bool:
        """Whether the first needs the second, directly or not."""
        return other in self.dependencies(one)

    def whole_of(self, kind: str, name: str) -> str:
        """The service of a pod or instance; by its name where no series tells: loader-6f8b-k4n7p is of loader. Empty if unknown."""
        if known := self._whole.get(f"{kind}:{name}"):
            return known
        bare = name.partition(":")[0]
        fitting = [one for one in self._services if bare == one[8:] or bare.startswith(f"{one[8:]}-")]
        return max(fitting, key=len, default="")

    def locate(self, labels: Mapping[str, str], rule_id: str) -> Places:
        """The places that an alert's labels name; its rule where they name none."""
        caller, callee = labels.get("caller") or labels.get("service", ""), labels.get("callee", "")
        if caller and callee:
            return Places(f"service:{caller}", f"service:{caller}", f"service:{callee}")
        if name := labels.get("service") or callee:
            return Places(f"service:{name}")
        for kind in ("pod", "instance"):
            if (name := labels.get(kind, "")) and (whole := self.whole_of(kind, name)):
                return Places(whole)
        for kind in ("loader", "asset", "pod", "instance", "node", "host", "job"):
            if name := labels.get(kind, ""):
                return Places(f"{kind}:{name}")
        return Places(f"rule:{rule_id}")

    def _walk(self, start: str, is_down: bool) -> dict[str, int]:
        steps: dict[str, int] = {}
        edge_of = self._step_down if is_down else self._step_up
        front = {start}
        for distance in range(1, REACH + 1):
            front = {after for place in front for after in edge_of(place)} - steps.keys() - {start}
            steps.update(dict.fromkeys(sorted(front), distance))
        return steps

    def _step_down(self, place: str) -> set[str]:
        configured = {below for above, below in self.wanted if fnmatchcase(place, above) and below != place}
        return self._below.get(place, set()) | configured

    def _step_up(self, place: str) -> set[str]:
        return self._above.get(place, set())
