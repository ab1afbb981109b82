"""The correlation id of a run travels with every outgoing call (A10)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.loaders.definition import Connection, LoaderDefinition
from resources.json_logs import correlated
from resources.metrics_prometheus import PrometheusSource
from tests.fakes.faulty_http import FaultyHttp, reply_json

EMPTY = '{"status":"success","data":{"resultType":"matrix","result":[]}}'
LOADER = {
    "code": "DEMO-A", "title": "a", "source": "prometheus", "connection": "p", "schedule": "* * * * *", "step_s": 60,
    "prometheus": [{"metric_name": "requests", "promql": "up"}],
}  # fmt: skip


@pytest.mark.requirement("A10")
def test_a_call_inside_a_run_carries_its_id_and_one_outside_none() -> None:
    loader, start = LoaderDefinition.model_validate(LOADER), datetime(2026, 3, 10, tzinfo=UTC)
    source = PrometheusSource()
    with FaultyHttp(lambda _: reply_json(EMPTY)) as server:
        connection = Connection(url=server.url)
        with correlated("capture-20260310T1200"):
            source.fetch(loader, connection, start=start, end=start + timedelta(minutes=5))
        source.fetch(loader, connection, start=start, end=start + timedelta(minutes=5))
        source.close()
    inside, outside = ({name.lower(): value for name, value in one.headers.items()} for one in server.asked)
    assert inside["x-correlation-id"] == "capture-20260310T1200"
    assert "x-correlation-id" not in outside
