"""All families of the estate in one list."""

from __future__ import annotations

from resources.simulator.families.calls import build_call_families
from resources.simulator.families.containers import build_container_families
from resources.simulator.families.datastores import build_datastore_families
from resources.simulator.families.family import Family
from resources.simulator.families.http import build_http_families
from resources.simulator.families.loaders import build_loader_families
from resources.simulator.families.nodes import build_node_families
from resources.simulator.topology import Topology


def build_families(topology: Topology) -> list[Family]:
    """Every family, each metric name in exactly one of them."""
    return [
        *build_http_families(topology),
        *build_call_families(topology),
        *build_container_families(topology),
        *build_node_families(topology),
        *build_datastore_families(topology),
        *build_loader_families(topology),
    ]
