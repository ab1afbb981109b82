"""The demo loaders ask the estate for something: every Prometheus query has series, labels and numbers."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
import yaml

from domain.loaders.definition import LoaderDefinition, PrometheusQuery
from resources.rule_files import shipped_rules
from resources.simulator.fault_model import load_fault_catalogue
from resources.simulator.grid import DAY_MS, last_index_at
from resources.simulator.promql.query import evaluate_range
from resources.simulator.promql.values import Vector
from resources.simulator.sample_store import SampleStore
from resources.simulator.topology import load_topology

END_MS = 20_524 * DAY_MS + DAY_MS // 2


def loaders() -> list[LoaderDefinition]:
    paths = sorted(Path(shipped_rules() / "loaders").glob("*.yaml"))
    return [LoaderDefinition.model_validate(yaml.safe_load(path.read_text())) for path in paths]


QUERIES = [(loader, query) for loader in loaders() for query in loader.prometheus]


@functools.cache
def store() -> SampleStore:
    return SampleStore(load_topology(), load_fault_catalogue(), seed=7, begin_ms=END_MS - DAY_MS)


@pytest.mark.requirement("A18")
@pytest.mark.parametrize(
    ("loader", "query"), QUERIES, ids=[f"{loader.code}-{query.metric_name}" for loader, query in QUERIES]
)
def test_every_query_has_values_under_its_labels(loader: LoaderDefinition, query: PrometheusQuery) -> None:
    answer = evaluate_range(
        store(),
        query.promql,
        start_ms=END_MS - 6 * 3_600_000,
        end_ms=END_MS,
        step_ms=int(loader.step_s * 1000),
        newest_index=int(last_index_at(END_MS)),
    )
    assert isinstance(answer, Vector)
    assert answer.labels, "no series"
    kept = [tuple(row.get(name) for name in query.labels) for row in answer.labels]
    assert len(set(kept)) == len(kept), "two series would fall together"
    assert all(all(value for value in row) for row in kept) or query.metric_name == "service_uptime_pct"
    assert np.isfinite(answer.values[answer.present]).all()
    if query.unit == "%" and "cpu_usage" not in query.metric_name:
        assert answer.values[answer.present].min() >= -1e-9
        assert answer.values[answer.present].max() <= 100 + 1e-9
