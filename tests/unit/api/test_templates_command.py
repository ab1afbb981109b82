from __future__ import annotations

import gzip
import io
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from api.cli.templates import app
from domain.errors import InputDataError

LOG = "".join(
    f"2031-05-06 07:08:{n:02d} INFO etl.Runner: loaded {n} rows for {u}\n" for n, u in enumerate(["ada", "bob"] * 5)
)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(*arguments: object) -> InputDataError:
    error = run(*arguments).exception
    assert isinstance(error, InputDataError)
    return error


def rows_of(path: Path, *options: object) -> pl.DataFrame:
    result = run(path, *options)
    assert result.exit_code == 0, result.output
    return pl.read_csv(io.BytesIO(result.stdout_bytes))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.write_text(LOG)
    return path


@pytest.mark.requirement("C5")
def test_each_line_gets_its_template_without_header(log: Path) -> None:
    rows = rows_of(log)
    assert rows.columns == ["line_id", "template_id", "template"]
    assert rows["line_id"].to_list() == list(range(1, 11))
    assert set(rows["template"]) == {"loaded <*> rows for <*>"}
    assert rows["template_id"].n_unique() == 1


def test_the_header_can_be_kept(log: Path) -> None:
    assert set(rows_of(log, "--no-header")["template"]) == {"<*> INFO etl.Runner: loaded <*> rows for <*>"}


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_out_is_written_by_suffix(log: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"out{suffix}"
    result = run(log, "-o", out)
    assert result.exit_code == 0
    assert result.stdout == ""
    read = pl.read_parquet(out) if suffix == ".parquet" else pl.read_csv(out)
    assert read.rows() == rows_of(log).rows()


def test_gzip_is_known_by_its_content(log: Path, tmp_path: Path) -> None:
    packed = tmp_path / "app.log.1"
    packed.write_bytes(gzip.compress(LOG.encode()))
    assert rows_of(packed).rows() == rows_of(log).rows()


@pytest.mark.requirement("C5")
def test_state_continues_from_file_to_file(log: Path, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    first = rows_of(log, "--state", state)
    more = tmp_path / "more.log"
    more.write_text("loaded 99 rows for cleo\nsomething else\n")
    second = rows_of(more, "--state", state)
    assert second["template_id"][0] == first["template_id"][0]
    assert second["template"].to_list() == ["loaded <*> rows for <*>", "something else"]


def test_a_template_learned_late_is_shown_for_early_lines_too(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("".join(f"stage {name} finished its work early\n" for name in ("load", "merge", "publish")))
    assert set(rows_of(path)["template"]) == {"stage <*> finished its work early"}


def test_crlf_and_a_last_line_without_end(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"\xef\xbb\xbfone here\r\n\r\ntwo there")
    assert rows_of(path).select("line_id", "template").rows() == [(1, "one here"), (2, ""), (3, "two there")]


def test_an_empty_file_gives_the_heading(tmp_path: Path) -> None:
    path = tmp_path / "empty.log"
    path.touch()
    assert run(path).stdout == "line_id,template_id,template\n"
    out = tmp_path / "o.parquet"
    run(path, "-o", out)
    assert pl.read_parquet(out).is_empty()


def test_a_line_of_a_megabyte_counts_by_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("before 1\n" + "word " * 200_000 + "\nafter 2\n" + "x" * 20_000_000 + "\nbefore 3\n")
    rows = rows_of(path)
    assert rows.height == 5
    assert rows["template_id"][0] == rows["template_id"][4]
    assert rows["template"].str.len_chars().max() < 20_000


def test_invalid_utf8_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"caf\xe9 opened 5 times\ncaf\xe9 opened 7 times\n" + b"plain text line\n" * 20)
    assert rows_of(path)["template"][0] == "caf\N{REPLACEMENT CHARACTER} opened <*> times"


def test_some_garbage_in_a_log_is_a_line_like_others(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"all is well 1\n" * 50 + b"\x00\x01\x02\xff\xfe\n" + b"all is well 2\n")
    rows = rows_of(path)
    assert rows.height == 52
    assert rows["template_id"].n_unique() == 2


def test_what_is_not_a_text_log_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(range(256)) * 100)
    assert "not a text log" in refused(path).reason
    path.write_bytes("hello\n".encode("utf-16"))
    assert "iconv" in refused(path).suggestion


def test_a_damaged_gzip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.log.gz"
    path.write_bytes(gzip.compress(LOG.encode())[:-20])
    assert "damaged gzip" in refused(path).reason


def test_missing_and_unreadable_files_are_refused(tmp_path: Path, log: Path) -> None:
    assert "no file" in refused(tmp_path / "none.log").reason
    assert "cannot be read" in refused(tmp_path).reason
    assert "unknown suffix" in refused(log, "-o", tmp_path / "out.xlsx").reason
    assert "no folder" in refused(log, "-o", tmp_path / "none" / "out.csv").reason
    (tmp_path / "taken.csv").mkdir()
    assert "cannot be written" in refused(log, "-o", tmp_path / "taken.csv").reason
    assert "cannot be written" in refused(log, "--state", tmp_path / "none" / "state.json").reason


def test_a_damaged_state_is_refused_and_left_alone(log: Path, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text("not json")
    assert "template state" in refused(log, "--state", state).reason
    assert state.read_text() == "not json"


def test_help_has_an_example() -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert "Example: etlmon templates app.log" in result.output
