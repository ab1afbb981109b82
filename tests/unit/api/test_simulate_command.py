"""`etlmon simulate` without a running simulator: it writes the ground truth and says where."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from api.cli.simulate import app
from domain.errors import ConflictError, InputDataError, NotFoundError


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "simulator").mkdir()
    (tmp_path / "simulator" / "estate.json").write_text('{"seed":7,"begin_ms":0}')
    return tmp_path


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.requirement("A18")
def test_list_tells_what_each_fault_does_and_moves() -> None:
    faults = orjson.loads(run("list", "--json"))
    assert len(faults) >= 14
    assert all(fault["title"] and fault["signals"] and fault["target"] for fault in faults)
    text = run("list")
    assert "slow-database" in text
    assert "moves:" in text


@pytest.mark.requirement("A18")
def test_a_fault_is_started_seen_and_stopped(home: Path) -> None:
    started = orjson.loads(run("fault", "slow-database", "--for", "10m", "--home", str(home), "--json"))
    assert started["target"] == "postgres"
    assert "not running" in started["via"]
    (active,) = orjson.loads(run("active", "--home", str(home), "--json"))
    assert (active["name"], active["state"]) == ("slow-database", "active")
    stopped = orjson.loads(run("stop", "slow-database", "--home", str(home), "--json"))
    assert stopped["stopped"][0]["state"] == "over"
    assert "no fault is active" in run("active", "--home", str(home))
    assert "slow-database" in run("active", "--all", "--home", str(home))


def test_a_planned_fault_begins_later_and_a_past_one_warns(home: Path) -> None:
    assert "planned" in run("fault", "cpu-hog", "--at", "+1h", "--home", str(home))
    assert "capture the range again" in run("fault", "error-burst", "--at=-2h", "--for", "5m", "--home", str(home))


def test_mistakes_are_answered_with_what_to_do(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(NotFoundError, match="no fault is called"):
        run("fault", "nonsense", "--home", str(home))
    with pytest.raises(InputDataError, match="duration"):
        run("fault", "cpu-hog", "--for", "long", "--home", str(home))
    run("fault", "cpu-hog", "--home", str(home))
    with pytest.raises(ConflictError, match="already"):
        run("fault", "cpu-hog", "--home", str(home))
    with pytest.raises(NotFoundError, match="holds no synthetic estate"):
        run("fault", "cpu-hog", "--home", str(tmp_path_factory.mktemp("empty")))
