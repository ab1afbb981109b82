"""Every kind of bad file, handed to every command that reads files: one sentence that says what is wrong, or a stated rule."""

from __future__ import annotations

import io
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner, Result

from api.cli import capacity, forecast, score, templates
from domain.errors import InputDataError, NotEnoughHistoryError

START = datetime(2031, 3, 3)  # noqa: DTZ001
COMMANDS = {
    "score": (score.app, ()),
    "forecast": (forecast.app, ("--horizon", "6")),
    "capacity": (capacity.app, ("--limit", "90")),
}
every_command = pytest.mark.parametrize("command", COMMANDS)


def run(command: str, path: Path) -> Result:
    app, options = COMMANDS[command]
    return CliRunner().invoke(app, [str(path), *options])


def answer(command: str, frame: pl.DataFrame, folder: Path) -> pl.DataFrame:
    frame.write_csv(folder / "in.csv")
    result = run(command, folder / "in.csv")
    assert result.exit_code == 0, result.output
    return pl.read_csv(io.BytesIO(result.stdout_bytes))


def hourly(hours: int = 240) -> pl.DataFrame:
    values = 40 + np.arange(hours) / 20 + 5 * np.sin(2 * np.pi * np.arange(hours) / 24) + np.cos(np.arange(hours) * 1.7)
    times = [(START + timedelta(hours=hour)).isoformat(sep=" ") for hour in range(hours)]
    return pl.DataFrame({"timestamp": times, "value": values.round(3)})


@every_command
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"timestamp,value\n", "a header, but no rows"),
        (b"timestamp;value\n2031-01-01;1\n", "the columns are separated by ';'"),
        (b"timestamp,value\n2031-01-01,1\n2031-01-02,many\n", "line 3: the value 'many' is not a number"),
        (b"timestamp,value\n2031-01-01,1\n" + b"soon,2\n", "line 3: the timestamp 'soon' cannot be read"),
        (b"timestamp,value\n2031-01-01,1\n\xff\xfe\xfa,1\n", "not a text file in UTF-8"),
        (b"\x00\x01\x02PNG\xff\xfe" * 5000, "not a text file in UTF-8"),
        (b"timestamp,value\n2031-01-01," + b"x" * 1_000_000 + b"\n", "is not a number"),
    ],
    ids=["empty", "header only", "separator", "text value", "text time", "invalid UTF-8", "binary", "1 MB line"],
)
def test_a_file_that_cannot_be_used_is_refused_in_a_sentence(command, content, words, tmp_path):
    (tmp_path / "in.csv").write_bytes(content)
    error = run(command, tmp_path / "in.csv").exception
    assert isinstance(error, InputDataError)
    assert words in error.reason
    assert len(error.reason) < 300 + len(str(tmp_path))
    assert error.suggestion


@pytest.mark.parametrize(
    "body", ["2031-01-01,1\n", "2031-01-01,\n2031-01-02,NaN\n2031-01-03,nan\n"], ids=["one row", "all NaN"]
)
@pytest.mark.parametrize("command", ["forecast", "capacity"])
def test_one_row_or_no_value_at_all_is_not_enough_history(command, body, tmp_path):
    (tmp_path / "in.csv").write_text(f"timestamp,value\n{body}")
    error = run(command, tmp_path / "in.csv").exception
    assert isinstance(error, NotEnoughHistoryError)
    assert error.suggestion


@pytest.mark.parametrize("body", ["2031-01-01,1\n", "2031-01-01,\n2031-01-02,NaN\n"], ids=["one row", "all NaN"])
def test_one_row_or_no_value_at_all_scores_zero(body, tmp_path):
    (tmp_path / "in.csv").write_text(f"timestamp,value\n{body}")
    rows = pl.read_csv(io.BytesIO(run("score", tmp_path / "in.csv").stdout_bytes))
    assert rows["score"].to_list() == [0.0] * body.count("\n")


@every_command
def test_times_without_a_zone_are_utc_and_zones_may_be_mixed(command, tmp_path):
    plain = hourly()
    shifted = [(START + timedelta(hours=hour + 2)).isoformat() + "+02:00" for hour in range(plain.height)]
    is_odd = pl.int_range(plain.height) % 2 == 1
    mixed = plain.with_columns(timestamp=pl.when(is_odd).then(pl.Series(shifted)).otherwise("timestamp"))
    ours, theirs = answer(command, mixed, tmp_path), answer(command, plain, tmp_path)
    assert ours.drop("timestamp" if command == "score" else []).equals(
        theirs.drop("timestamp" if command == "score" else [])
    )


@every_command
def test_unsorted_rows_give_the_answer_of_sorted_ones(command, tmp_path):
    plain = hourly()
    shuffled = plain.sample(fraction=1.0, shuffle=True, seed=1)
    ours, theirs = answer(command, shuffled, tmp_path), answer(command, plain, tmp_path)
    assert (ours.sort("timestamp") if command == "score" else ours).equals(theirs)


@every_command
def test_rows_that_are_there_twice_are_no_second_history(command, tmp_path):
    plain = hourly()
    doubled = pl.concat([plain, plain.slice(100, 60)])
    ours, theirs = answer(command, doubled, tmp_path), answer(command, plain, tmp_path)
    if command == "score":
        assert ours.height == doubled.height
        assert not ours["is_anomaly"].any()
    else:
        assert ours.equals(theirs)


@pytest.mark.parametrize("command", ["score", "forecast", "capacity", "templates"])
def test_the_program_ends_with_code_2_a_sentence_and_no_traceback(command, tmp_path):
    (tmp_path / "in.csv").write_bytes(bytes(range(256)) * 100)
    options = COMMANDS[command][1] if command in COMMANDS else ()
    code = f"import sys; from api.cli.main import main; sys.argv[1:] = {[command, 'in.csv', *options]!r}; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "not a text" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_log_of_one_line_or_of_other_tables_is_a_log(tmp_path):
    (tmp_path / "a.log").write_text("started in 5 ms")
    rows = CliRunner().invoke(templates.app, [str(tmp_path / "a.log")]).stdout.splitlines()
    assert len(rows) == 2
    assert rows[1].startswith("1,")
    assert rows[1].endswith(",started in <*> ms")
