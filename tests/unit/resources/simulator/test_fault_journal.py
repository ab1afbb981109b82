"""Ground truth survives restarts, torn lines and early ends; it refuses what makes no sense."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.errors import ConflictError, NotFoundError
from resources.simulator.fault_journal import FaultJournal
from resources.simulator.fault_model import load_fault_catalogue


@pytest.fixture
def journal(tmp_path: Path) -> FaultJournal:
    return FaultJournal(tmp_path / "faults.jsonl", load_fault_catalogue())


def test_a_started_fault_is_there_for_the_next_reader(journal: FaultJournal) -> None:
    window = journal.start("disk-fill", at_s=1000.0, for_s=60.0)
    assert (window.started_s, window.ended_s, window.origin) == (1000.0, 1060.0, "operator")
    assert FaultJournal(journal.path, load_fault_catalogue()).read() == (window,)


def test_without_a_duration_the_faults_own_default_holds(journal: FaultJournal) -> None:
    assert journal.start("slow-database", at_s=0.0).ended_s == 900.0


def test_stopping_ends_the_window_and_appends_only(journal: FaultJournal) -> None:
    journal.start("cpu-hog", at_s=1000.0, for_s=600.0)
    before = journal.path.read_bytes()
    (stopped,) = journal.stop("cpu-hog", at_s=1100.0)
    assert stopped.ended_s == 1100.0
    assert journal.path.read_bytes().startswith(before)
    with pytest.raises(NotFoundError, match="not active"):
        journal.stop("cpu-hog", at_s=1100.0)


def test_a_planned_fault_that_is_stopped_never_happens(journal: FaultJournal) -> None:
    journal.start("cpu-hog", at_s=1000.0, for_s=600.0)
    (stopped,) = journal.stop("cpu-hog", at_s=500.0)
    assert stopped.ended_s == stopped.started_s == 1000.0


def test_an_active_fault_cannot_be_started_again(journal: FaultJournal) -> None:
    journal.start("cpu-hog", at_s=1000.0, for_s=600.0)
    with pytest.raises(ConflictError) as caught:
        journal.start("cpu-hog", at_s=1300.0)
    assert "etlmon simulate stop cpu-hog" in caught.value.suggestion
    journal.start("cpu-hog", at_s=1600.0)


def test_an_unknown_fault_is_answered_with_the_names_that_exist(journal: FaultJournal) -> None:
    with pytest.raises(NotFoundError) as caught:
        journal.start("slow-databse", at_s=0.0)
    assert "slow-database" in caught.value.suggestion


def test_a_torn_last_line_costs_only_itself(journal: FaultJournal) -> None:
    window = journal.start("cpu-hog", at_s=1000.0)
    with journal.path.open("ab") as file:
        file.write(b'{"event":"start","window_id":"x","fa')
    assert journal.read() == (window,)


def test_history_is_seeded_once(journal: FaultJournal) -> None:
    journal.seed(begin_s=0.0, until_s=30 * 86_400.0)
    seeded = journal.read()
    assert len(seeded) >= 5
    assert {window.origin for window in seeded} == {"seeded"}
    journal.seed(begin_s=86_400.0, until_s=40 * 86_400.0)
    assert journal.read() == seeded
