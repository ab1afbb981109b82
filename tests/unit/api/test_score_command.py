"""`etlmon score` as a user meets it: files in, files out, exit codes."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from api.cli.score import app
from domain.errors import InputDataError


def write_series(path, *, names=(None,), rows=400, spike_at=300):
    frames = []
    for number, name in enumerate(names):
        values = np.random.default_rng(number).normal(50, 2, rows).round(3)
        values[spike_at] = 500.0
        times = [(datetime(2026, 1, 1) + timedelta(minutes=5 * i)).isoformat(sep=" ") for i in range(rows)]  # noqa: DTZ001
        frame = pl.DataFrame({"timestamp": times, "value": values})
        frames.append(frame if name is None else frame.with_columns(series=pl.lit(name)))
    pl.concat(frames).write_csv(path)
    return path


def run(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)


@pytest.mark.requirement("C1")
def test_the_spike_is_the_one_anomaly_and_rows_stay_as_they_were(tmp_path):
    source, out = write_series(tmp_path / "in.csv"), tmp_path / "out.csv"
    assert run(source, "-o", out).exit_code == 0
    answer = pl.read_csv(out)
    assert answer.columns == ["timestamp", "value", "score", "is_anomaly"]
    assert answer.select("timestamp", "value").equals(pl.read_csv(source))
    assert answer["score"].is_between(0, 1).all()
    assert answer["is_anomaly"].arg_true().to_list() == [300]


def test_without_out_the_answer_is_csv_on_standard_output(tmp_path):
    result = run(write_series(tmp_path / "in.csv"))
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "timestamp,value,score,is_anomaly"
    assert len(result.stdout.splitlines()) == 401


def test_many_series_in_one_call_score_as_each_alone_and_keep_their_order(tmp_path):
    both = write_series(tmp_path / "both.csv", names=("b", "a"))
    shuffled = pl.read_csv(both).sample(fraction=1.0, shuffle=True, seed=3)
    shuffled.write_parquet(tmp_path / "in.parquet")
    assert run(tmp_path / "in.parquet", "-o", tmp_path / "out.parquet").exit_code == 0
    answer = pl.read_parquet(tmp_path / "out.parquet")
    assert answer.select("timestamp", "value", "series").equals(shuffled)
    alone = write_series(tmp_path / "alone.csv", names=("b",))
    assert run(alone, "-o", tmp_path / "alone_out.csv").exit_code == 0
    ours = answer.filter(pl.col("series") == "b").sort("timestamp")["score"].to_list()
    assert ours == pytest.approx(pl.read_csv(tmp_path / "alone_out.csv")["score"].to_list())


@pytest.mark.parametrize("body", ["2026-01-01,1\n", "2026-01-01,\n2026-01-02,NaN\n"])
def test_one_row_or_no_value_at_all_scores_zero(tmp_path, body):
    (tmp_path / "in.csv").write_text(f"timestamp,value\n{body}")
    assert run(tmp_path / "in.csv", "-o", tmp_path / "out.csv").exit_code == 0
    answer = pl.read_csv(tmp_path / "out.csv")
    assert answer["score"].to_list() == [0.0] * answer.height
    assert not answer["is_anomaly"].any()


def test_rows_in_any_order_with_mixed_offsets_score_by_their_instants(tmp_path):
    ordered = pl.read_csv(write_series(tmp_path / "ordered.csv"))
    offsets = (
        ordered.with_row_index("row")
        .with_columns(at=pl.col("timestamp").str.to_datetime())
        .with_columns(
            pl.when(pl.col("row") % 2 == 0)
            .then(pl.col("at").dt.strftime("%Y-%m-%d %H:%M:%S"))
            .otherwise((pl.col("at") + pl.duration(hours=2)).dt.strftime("%Y-%m-%dT%H:%M:%S+02:00"))
            .alias("timestamp")
        )
        .select("timestamp", "value")
        .sample(fraction=1.0, shuffle=True, seed=1)
    )
    offsets.write_csv(tmp_path / "in.csv")
    assert run(tmp_path / "in.csv", "-o", tmp_path / "out.csv").exit_code == 0
    answer = pl.read_csv(tmp_path / "out.csv")
    assert answer.select("timestamp", "value").equals(offsets), "as it was written, in the order it was written"
    assert answer.filter("is_anomaly")["value"].to_list() == [500.0]


def test_rows_of_one_instant_count_in_the_order_of_the_file(tmp_path):
    rows = pl.read_csv(write_series(tmp_path / "plain.csv"))
    rows.with_columns(timestamp=pl.lit("2026-01-01 00:00:00")).write_csv(tmp_path / "in.csv")
    assert run(tmp_path / "in.csv", "-o", tmp_path / "out.csv").exit_code == 0
    assert pl.read_csv(tmp_path / "out.csv")["is_anomaly"].arg_true().to_list()[0] == 300


@pytest.mark.parametrize("name", ["in.csv", "in.csv.gz", "in.parquet"])
@pytest.mark.parametrize("body", [b"", bytes(range(256)) * 8])
def test_nothing_and_garbage_are_clear_errors_in_every_format(tmp_path, name, body):
    (tmp_path / name).write_bytes(body)
    with pytest.raises(InputDataError, match=name):
        run(tmp_path / name, "-o", tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("timestamp,value\n", "no rows"),
        ("timestamp;value\n2026-01-01;1\n", "separated by ';'"),
        ("time,number\n2026-01-01,1\n", "expected timestamp, value"),
        ("timestamp,value\nyesterday,1\n", "line 2"),
    ],
)
def test_a_wrong_file_is_told_what_is_wrong(tmp_path, text, said):
    (tmp_path / "in.csv").write_text(text)
    with pytest.raises(InputDataError, match=said):
        run(tmp_path / "in.csv")


def test_scoring_the_beginning_of_a_file_gives_the_same_as_within_the_whole(tmp_path):
    whole = write_series(tmp_path / "whole.csv", names=("a", "b"), rows=900, spike_at=700)
    assert run(whole, "-o", tmp_path / "whole_out.csv").exit_code == 0
    first = pl.read_csv(whole).filter(pl.int_range(pl.len()).over("series") < 650)
    first.write_csv(tmp_path / "first.csv")
    assert run(tmp_path / "first.csv", "-o", tmp_path / "first_out.csv").exit_code == 0
    ours = pl.read_csv(tmp_path / "first_out.csv")
    theirs = pl.read_csv(tmp_path / "whole_out.csv").filter(pl.int_range(pl.len()).over("series") < 650)
    assert ours["score"].to_list() == pytest.approx(theirs["score"].to_list(), rel=1e-9, abs=1e-12)


def test_a_file_that_cannot_be_read_is_an_error_of_our_tree_and_leaves_no_output(tmp_path):
    (tmp_path / "in.csv").write_text("timestamp,value\n2026-01-01,abc\n")
    with pytest.raises(InputDataError, match="line 2"):
        run(tmp_path / "in.csv", "-o", tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_the_program_ends_with_code_2_and_says_why(tmp_path):
    code = "import sys; from api.cli.main import main; sys.argv[1:] = ['score', 'nowhere.csv']; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "no such file" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_shows_an_example():
    result = run("--help")
    assert result.exit_code == 0
    assert "etlmon score requests.csv -o scores.csv" in result.stdout
