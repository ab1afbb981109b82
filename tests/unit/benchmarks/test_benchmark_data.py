"""Which data a benchmark measures: the folder that was named, or none; never silently another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.benchmark_data import VARIABLE, absent_row, find_data


def test_the_named_folder_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nab").mkdir()
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert find_data("nab") == tmp_path / "nab"


def test_a_part_that_is_not_there_is_said_and_met_is_left_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert find_data("nab") is None
    row = absent_row("NAB", "nab")
    assert (row["ours"], row["target"], row["met"]) == ("data absent", f"needs nab in {VARIABLE}", None)


def test_a_wrong_name_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(NotADirectoryError, match="nowhere"):
        find_data("nab")
