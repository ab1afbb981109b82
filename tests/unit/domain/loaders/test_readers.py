"""Who is told what reads a loader is told the truth: the list is the one that the marts really use."""

from __future__ import annotations

import csv
from pathlib import Path

from domain.loaders.definition import LoaderDefinition
from domain.loaders.readers import METRICS_OF_REPORTS, list_readers

ROLES = Path(__file__).parents[4] / "dbt" / "seeds" / "metric_roles.csv"


def test_the_metrics_of_reports_are_those_of_the_marts() -> None:
    with ROLES.open() as rows:
        assert {row["metric_name"] for row in csv.DictReader(rows)} == METRICS_OF_REPORTS


def test_every_kind_of_reader_is_named() -> None:
    body = {
        "code": "DEMO-A",
        "title": "t",
        "source": "elasticsearch",
        "connection": "e",
        "schedule": "* * * * *",
        "step_s": 60,
    }
    lines = LoaderDefinition.model_validate({**body, "log_lines": [{"index": "logs-*"}]})
    assert list_readers(lines) == ["log patterns and their bursts"]
    query = {"metric_name": "log_errors", "index": "logs-*", "limit": {"value": 5}}
    told = " ".join(list_readers(LoaderDefinition.model_validate({**body, "elasticsearch": [query]})))
    assert "reports: log_errors" in told
    assert "capacity dates: log_errors" in told
