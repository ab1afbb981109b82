from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner, Result

from api.cli.capacity import app
from domain.errors import ConfigurationError, NotEnoughHistoryError


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def rows_of(*arguments: object) -> pl.DataFrame:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return pl.read_csv(io.BytesIO(result.stdout_bytes))


def disk(growth: float, *, days: int = 30, name: str = "disk") -> pl.DataFrame:
    at = pl.date_range(pl.date(2031, 3, 1), pl.date(2031, 3, 1) + pl.duration(days=days - 1), "1d", eager=True)
    return pl.DataFrame(
        {"series": name, "timestamp": at.dt.strftime("%Y-%m-%d"), "value": 50 + growth * np.arange(days)}
    )


@pytest.mark.requirement("C6")
def test_the_date_is_given_in_the_style_of_the_file(tmp_path: Path) -> None:
    disk(1.0).drop("series").write_csv(tmp_path / "disk.csv")
    rows = rows_of(tmp_path / "disk.csv", "--limit", 90)
    assert rows.columns == ["reaches_at", "lower", "upper", "growth_per_day", "probability"]
    assert rows.row(0) == ("2031-04-10", "2031-04-10", "2031-04-10", pytest.approx(1.0), 1.0)


def test_every_gauge_has_a_row_in_the_order_of_the_file(tmp_path: Path) -> None:
    gauges = [disk(1.0, name="z"), disk(0.0, name="flat"), disk(1.0, name="new", days=4), disk(1.2, name="a")]
    pl.concat(gauges).write_csv(tmp_path / "disks.csv")
    result = run(tmp_path / "disks.csv", "--limit", 90)
    rows = pl.read_csv(io.BytesIO(result.stdout_bytes))
    assert rows["series"].to_list() == ["z", "flat", "new", "a"]
    assert rows["reaches_at"].is_null().to_list() == [False, True, True, False]
    assert rows["probability"].to_list() == [1.0, 0.0, None, 1.0]
    assert "new: not enough history" in result.stderr


def test_beyond_the_horizon_there_is_no_date(tmp_path: Path) -> None:
    disk(1.0).write_csv(tmp_path / "disk.csv")
    assert rows_of(tmp_path / "disk.csv", "--limit", 90, "--horizon", 5)["reaches_at"].item() is None


def test_only_short_gauges_are_an_error(tmp_path: Path) -> None:
    disk(1.0, days=3).write_csv(tmp_path / "disk.csv")
    assert isinstance(run(tmp_path / "disk.csv", "--limit", 90).exception, NotEnoughHistoryError)


@pytest.mark.parametrize(
    "wrong", [("--limit", "nan"), ("--limit", "90", "--horizon", "-1"), ("--limit", "90", "--level", "2")]
)
def test_wrong_wishes_are_refused(tmp_path: Path, wrong: tuple[str, ...]) -> None:
    disk(1.0).write_csv(tmp_path / "disk.csv")
    assert isinstance(run(tmp_path / "disk.csv", *wrong).exception, ConfigurationError)


def test_help_shows_an_example() -> None:
    assert "Example: etlmon capacity" in run("--help").stdout
