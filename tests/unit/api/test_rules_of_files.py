"""What is no error but a rule: doubles, order and zones of times, how far capacity looks. The help of each command says it."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from api.cli import capacity, forecast, score, templates

APPS = {"score": score.app, "forecast": forecast.app, "capacity": capacity.app, "templates": templates.app}


def answer(command: str, frame: pl.DataFrame, folder: Path, *options: object) -> pl.DataFrame:
    frame.write_csv(folder / "in.csv")
    result = CliRunner().invoke(APPS[command], [str(folder / "in.csv"), *map(str, options)])
    assert result.exit_code == 0, result.output
    return pl.read_csv(io.BytesIO(result.stdout_bytes))


def daily(days: int, *, growth: float = 1.0, noise: float = 0.0) -> pl.DataFrame:
    start = datetime(2031, 3, 3)  # noqa: DTZ001
    times = [(start + timedelta(days=day)).isoformat(sep=" ") for day in range(days)]
    values = 50 + growth * np.arange(days) + noise * np.random.default_rng(0).normal(0, 1, days)
    return pl.DataFrame({"timestamp": times, "value": values})


def beside(frame: pl.DataFrame, *changes: float) -> pl.DataFrame:
    """Every row once per change, one after the other."""
    many = [frame.with_columns(pl.col("value") + change, row=pl.int_range(pl.len())) for change in changes]
    return pl.concat(many).sort("row", maintain_order=True).drop("row")


def test_of_two_values_of_one_time_the_score_judges_both_in_the_order_of_the_file(tmp_path: Path) -> None:
    plain = daily(200, growth=0.0, noise=1.0)
    spike = plain[150].with_columns(value=pl.lit(90.0))
    for position in (150, 151):
        rows = pl.concat([plain[:position], spike, plain[position:]])
        scored = answer("score", rows, tmp_path)
        assert scored.select("timestamp", "value").equals(rows)
        assert scored["is_anomaly"].arg_true().to_list() == [position]


def test_of_two_values_of_one_step_the_forecast_takes_the_mean(tmp_path: Path) -> None:
    plain = daily(60, noise=2.0)
    ours = answer("forecast", beside(plain, 4.0, -4.0), tmp_path, "--horizon", 5)
    theirs = answer("forecast", plain, tmp_path, "--horizon", 5)
    for name in ("forecast", "lower", "upper"):
        assert ours[name].to_list() == pytest.approx(theirs[name].to_list(), rel=1e-6)


def test_of_two_values_of_one_day_capacity_takes_the_highest(tmp_path: Path) -> None:
    plain = daily(60, growth=0.4, noise=0.3)
    ours = answer("capacity", beside(plain, -30.0, 0.0), tmp_path, "--limit", 90)
    assert ours.equals(answer("capacity", plain, tmp_path, "--limit", 90))
    assert ours["reaches_at"].null_count() == 0


@pytest.mark.parametrize(("days", "is_seen"), [(12, False), (14, True)])
def test_capacity_looks_three_histories_ahead_at_most(days: int, is_seen: bool, tmp_path: Path) -> None:
    """The limit is 39 days away: beyond three times twelve days, within three times fourteen, whatever the horizon."""
    limit = 50 + days - 1 + 39
    row = answer("capacity", daily(days), tmp_path, "--limit", limit, "--horizon", 90).row(0, named=True)
    assert (row["reaches_at"] is not None) == is_seen
    assert row["probability"] == float(is_seen)


def mined(text: str, folder: Path) -> pl.DataFrame:
    (folder / "app.log").write_text(text)
    result = CliRunner().invoke(templates.app, [str(folder / "app.log")])
    assert result.exit_code == 0, result.output
    return pl.read_csv(io.BytesIO(result.stdout_bytes))


def test_order_zones_and_doubles_of_times_mean_nothing_to_templates(tmp_path: Path) -> None:
    lines = [f"INFO etl.Runner: loaded {n} rows for {'ada' if n % 2 else 'bob'}" for n in range(40)]
    times = [f"2031-05-06T07:08:{n:02d}" for n in range(40)]
    plain = mined("".join(f"{at}Z {line}\n" for at, line in zip(times, lines, strict=True)), tmp_path)
    assert plain["template"].unique().to_list() == ["loaded <*> rows for <*>"]
    zones = ["Z", "+02:00", "-05:30", "+00:00"]
    ways = {
        "unsorted": [at + "Z" for at in times[::-1]],
        "twice": [times[n // 2] + "Z" for n in range(40)],
        "zones": [at + zones[n % 4] for n, at in enumerate(times)],
    }
    for way, stamps in ways.items():
        rows = mined("".join(f"{at} {line}\n" for at, line in zip(stamps, lines, strict=True)), tmp_path)
        assert rows["line_id"].to_list() == plain["line_id"].to_list(), way
        assert rows["template"].unique().to_list() == plain["template"].unique().to_list(), way


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_is_a_log_to_templates_and_its_heading_a_line(separator: str, tmp_path: Path) -> None:
    heading = separator.join(("timestamp", "value"))
    alone = mined(heading + "\n", tmp_path)
    assert alone["line_id"].to_list() == [1]
    body = "".join(f"2031-01-{day:02d}{separator}{day}\n" for day in range(1, 29))
    rows = mined(f"{heading}\n{body}", tmp_path)
    assert rows.height == 29
    assert rows["template_id"][0] not in rows["template_id"][1:].to_list()


SERIES_RULES = (
    "without a zone is UTC",
    "NaN, NA, null or infinite value is missing",
    "blank lines are left out",
    "Rows may be unsorted",
)


@pytest.mark.parametrize(
    ("command", "rules"),
    [
        ("score", (*SERIES_RULES, "same time count one after the other, in the order of FILE")),
        ("forecast", (*SERIES_RULES, "Of several values of one step of a series their mean counts")),
        ("capacity", (*SERIES_RULES, "the highest counts", "probability is below 0.2", "three times the history")),
        ("templates", ("order, zone and doubles mean nothing", "whatever its separator", "an empty file gives the heading")),
    ],
)  # fmt: skip
def test_the_help_states_the_rules(command: str, rules: tuple[str, ...]) -> None:
    said = " ".join(CliRunner().invoke(APPS[command], ["--help"], env={"COLUMNS": "100"}).stdout.split())
    assert [rule for rule in rules if rule not in said] == []
