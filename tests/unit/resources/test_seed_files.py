"""Which shipped loaders become part of an installation: those whose source is configured; the rest waits and says for what."""

from __future__ import annotations

from pathlib import Path

import pytest

from resources.loaders.seed_files import describe_waiting, read_seed_files
from resources.settings import Settings

BY_PROMETHEUS = {
    "HTTP", "ETL", "DATABASE", "NODES", "PODS", "REDIS", "CALLS", "GATEWAY", "STATS-PERF", "STATS-AVAIL",
}  # fmt: skip
BY_ELASTICSEARCH = {"LOGS", "LOG-LINES", "STATS-ERROR-RATE"}


def settings_of(home: Path, **given: object) -> Settings:
    return Settings(home=home, _env_file=None, **given)  # type: ignore[arg-type]


def test_without_a_source_only_the_door_for_pushed_signals_is_there(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    found = read_seed_files(settings, is_demo=False)
    assert [one.code for one in found.usable] == ["PUSHED"]
    assert describe_waiting(settings, found) == [
        f"left out until ETLMON_ELASTICSEARCH_URL is set: {', '.join(sorted(BY_ELASTICSEARCH))}",
        f"left out until ETLMON_PROMETHEUS_URL is set: {', '.join(sorted(BY_PROMETHEUS))}",
    ]
    assert describe_waiting(settings, found, except_for=BY_PROMETHEUS | {"LOGS"}) == [
        "left out until ETLMON_ELASTICSEARCH_URL is set: LOG-LINES, STATS-ERROR-RATE"
    ]


def test_a_configured_source_brings_its_loaders_in(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, prometheus_url="http://prometheus:9090")
    found = read_seed_files(settings, is_demo=False)
    assert {one.code for one in found.usable} == BY_PROMETHEUS | {"PUSHED"}
    assert set(found.waiting) == {"elasticsearch"}


def test_the_run_table_of_the_estate_is_of_the_demo_alone(tmp_path: Path) -> None:
    (tmp_path / "connections.yaml").write_text("etl_runs: {url: 'sqlite:///runs.db'}\n")
    codes = {
        is_demo: {one.code for one in read_seed_files(settings_of(tmp_path), is_demo=is_demo).usable}
        for is_demo in (True, False)
    }
    assert codes == {True: {"DEMO-RUNS-SQL", "PUSHED"}, False: {"PUSHED"}}
    (tmp_path / "connections.yaml").unlink()
    settings = settings_of(tmp_path)
    lines = describe_waiting(settings, read_seed_files(settings, is_demo=True))
    assert f"left out until etl_runs is in {tmp_path / 'connections.yaml'}: DEMO-RUNS-SQL" in lines


@pytest.mark.parametrize("is_demo", [False, True])
def test_a_broken_connections_file_brings_nothing_in_and_is_said(tmp_path: Path, is_demo: bool) -> None:
    (tmp_path / "connections.yaml").write_text("prometheus: {ulr: 'http://x'}\n")
    found = read_seed_files(settings_of(tmp_path), is_demo=is_demo)
    assert [one.code for one in found.usable] == ["PUSHED"]
    assert "connections.yaml" in found.broken[0]
