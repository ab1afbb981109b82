"""Faults of drills in the journal of an estate: making or clearing one twice is as doing it once (E5)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.errors import ConflictError, NotFoundError
from resources.clock import utc_now
from resources.drills.faults_simulator import SimulatorFaults
from resources.simulator.control_client import ControlClient

pytestmark = pytest.mark.requirement("E5")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An estate that was there before and does not run now."""
    (tmp_path / "simulator").mkdir()
    (tmp_path / "simulator" / "estate.json").write_text('{"seed": 1, "begin_ms": 0}')
    return tmp_path


def windows(home: Path) -> list[tuple[str, str]]:
    return [(one["name"], one["state"]) for one in ControlClient(home).ground_truth()]


def test_a_repeated_start_makes_one_fault_and_another_ones_fault_is_a_conflict(home: Path) -> None:
    faults, now = SimulatorFaults(home), utc_now()
    assert not faults.is_there()
    for _ in range(2):
        faults.make("connection-pool", at=now, for_s=600)
    assert windows(home) == [("connection-pool", "active")]
    with pytest.raises(ConflictError):
        faults.make("connection-pool", at=now + timedelta(seconds=30), for_s=600)
    for _ in range(2):
        faults.clear("connection-pool")
    assert windows(home) == [("connection-pool", "over")]


def test_an_unknown_fault_is_said(home: Path) -> None:
    with pytest.raises(NotFoundError):
        SimulatorFaults(home).make("earthquake", at=datetime(2026, 3, 10, tzinfo=UTC), for_s=60)
