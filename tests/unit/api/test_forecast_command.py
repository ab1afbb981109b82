from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner, Result

from api.cli.forecast import app
from domain.errors import ConfigurationError, InputDataError, NotEnoughHistoryError


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def rows_of(*arguments: object) -> pl.DataFrame:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return pl.read_csv(io.BytesIO(result.stdout_bytes))


def hourly(hours: int, *, form: str = "%Y-%m-%d %H:%M:%S", level: float = 50) -> pl.DataFrame:
    step = np.arange(hours)
    at = pl.datetime_range(
        pl.datetime(2031, 3, 3), pl.datetime(2031, 3, 3) + pl.duration(hours=hours - 1), "1h", eager=True
    )
    return pl.DataFrame(
        {"timestamp": at.dt.strftime(form), "value": level + 10 * np.sin(2 * np.pi * step / 24) + np.cos(step * 1.7)}
    )


@pytest.mark.requirement("C3")
def test_one_series_is_forecast(tmp_path: Path) -> None:
    hourly(240).write_csv(tmp_path / "load.csv")
    rows = rows_of(tmp_path / "load.csv", "--horizon", 24)
    assert rows.columns == ["step", "timestamp", "forecast", "lower", "upper", "model"]
    assert rows["step"].to_list() == list(range(1, 25))
    assert rows["timestamp"][0] == "2031-03-13 00:00:00"
    assert np.abs(rows["forecast"].to_numpy() - (50 + 10 * np.sin(2 * np.pi * np.arange(24) / 24))).mean() < 2
    assert (rows["lower"] <= rows["forecast"]).all()
    assert (rows["forecast"] <= rows["upper"]).all()


def test_many_series_come_out_in_the_order_of_the_file(tmp_path: Path) -> None:
    frames = [hourly(120, level=level).with_columns(series=pl.lit(name)) for name, level in (("z", 500), ("a", 50))]
    pl.concat(frames).write_csv(tmp_path / "load.csv.gz", compression="gzip")
    rows = rows_of(tmp_path / "load.csv.gz", "--horizon", 2)
    assert rows.columns[0] == "series"
    assert rows["series"].to_list() == ["z", "z", "a", "a"]
    assert rows["forecast"][0] > 300 > rows["forecast"][2]


@pytest.mark.parametrize(
    ("form", "first"),
    [
        ("%Y-%m-%dT%H:%M:%SZ", "2031-03-08T00:00:00Z"),
        ("%Y-%m-%d %H:%M:%S+02:00", "2031-03-08 00:00:00+02:00"),
        ("%Y-%m-%d %H:%M", "2031-03-08 00:00"),
    ],
)
def test_times_are_written_as_they_were_read(tmp_path: Path, form: str, first: str) -> None:
    hourly(120, form=form).write_csv(tmp_path / "load.csv")
    assert rows_of(tmp_path / "load.csv", "--horizon", 1)["timestamp"].item() == first


def test_parquet_keeps_its_time_type(tmp_path: Path) -> None:
    frame = hourly(120).with_columns(pl.col("timestamp").str.to_datetime(time_unit="ms"))
    frame.write_parquet(tmp_path / "load.parquet")
    assert run(tmp_path / "load.parquet", "--horizon", 3, "-o", tmp_path / "out.parquet").exit_code == 0
    assert pl.read_parquet(tmp_path / "out.parquet")["timestamp"].dtype == pl.Datetime("ms")


def test_a_short_series_is_named_and_left_out(tmp_path: Path) -> None:
    short = hourly(5).with_columns(series=pl.lit("young"))
    pl.concat([short, hourly(120).with_columns(series=pl.lit("old"))]).write_csv(tmp_path / "load.csv")
    result = run(tmp_path / "load.csv", "--horizon", 6)
    assert result.exit_code == 0
    assert "young: not enough history" in result.stderr
    assert pl.read_csv(io.BytesIO(result.stdout_bytes))["series"].unique().to_list() == ["old"]


def test_only_short_series_are_an_error(tmp_path: Path) -> None:
    hourly(5).write_csv(tmp_path / "load.csv")
    error = run(tmp_path / "load.csv", "--horizon", 6).exception
    assert isinstance(error, NotEnoughHistoryError)
    assert "5 steps, at least 18" in error.reason


def test_models_can_be_chosen(tmp_path: Path) -> None:
    hourly(120).write_csv(tmp_path / "load.csv")
    rows = rows_of(tmp_path / "load.csv", "--horizon", 3, "--models", "naive")
    assert rows["forecast"].n_unique() == 1
    assert isinstance(run(tmp_path / "load.csv", "--horizon", 3, "--models", "oracle").exception, ConfigurationError)


def test_help_shows_an_example() -> None:
    assert "Example: etlmon forecast" in run("--help").stdout


def test_holidays_come_from_a_file_or_a_country(tmp_path: Path) -> None:
    frame = hourly(24 * 21)
    day = pl.col("timestamp").str.slice(0, 10)
    holiday = pl.when(day.is_in(["2031-03-10", "2031-03-18"])).then(pl.col("value") - 40).otherwise("value")
    frame.with_columns(value=holiday).write_csv(tmp_path / "load.csv")
    (tmp_path / "days.txt").write_text("2031-03-10\n2031-03-18\n\n2031-03-24\n")
    days = rows_of(tmp_path / "load.csv", "--horizon", 48, "--holidays", tmp_path / "days.txt")["forecast"]
    assert days[:24].mean() < days[24:].mean() - 20
    usual = rows_of(tmp_path / "load.csv", "--horizon", 24, "--holidays", "de")["forecast"]
    assert usual.mean() > days[:24].mean() + 15


@pytest.mark.parametrize("wish", ["nowhere", "days.txt"])
def test_unknown_holidays_are_refused(tmp_path: Path, wish: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    hourly(120).write_csv(tmp_path / "load.csv")
    (tmp_path / "days.txt").write_text("2031-03-10\nChristmas\n")
    error = run(tmp_path / "load.csv", "--horizon", 3, "--holidays", wish).exception
    assert isinstance(error, InputDataError)
    assert ("line 2" if wish == "days.txt" else "neither a file nor a country") in error.reason
