"""Files that people hand to score, forecast and capacity: what is read, and what is said about the unreadable ones."""

from __future__ import annotations

import gzip
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest

from api.cli.series_file import SeriesFile, check_out, load_series, write_frame
from domain.errors import InputDataError


def write(folder: Path, content: str | bytes, name: str = "in.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def load(folder: Path, content: str | bytes, name: str = "in.csv") -> SeriesFile:
    return load_series(write(folder, content, name))


def refusal(folder: Path, content: str | bytes, name: str = "in.csv") -> str:
    with pytest.raises(InputDataError) as caught:
        load(folder, content, name)
    assert caught.value.suggestion
    return caught.value.reason


def test_rows_keep_their_order_and_their_timestamp_text(tmp_path):
    frame = load(tmp_path, "timestamp,value\n2026-01-02 00:00:00,2\n2026-01-01 00:00:00,1\n").frame
    assert frame["value"].to_list() == [2.0, 1.0]
    assert frame["row_id"].to_list() == [0, 1]
    assert frame["timestamp_text"].to_list() == ["2026-01-02 00:00:00", "2026-01-01 00:00:00"]
    assert frame["timestamp"].to_list()[0] == datetime(2026, 1, 2, tzinfo=UTC)


def test_points_are_sorted_by_time_and_equal_times_keep_the_order_of_the_file(tmp_path):
    text = "timestamp,value\n2026-01-02,3\n2026-01-01,1\n2026-01-02,4\n2026-01-01,2\n"
    points = load(tmp_path, text).points()
    assert points["metric_value"].to_list() == [1.0, 2.0, 3.0, 4.0]
    assert points["row_id"].to_list() == [1, 3, 0, 2]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-03-01 10:00:00", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("2026-03-01T10:00:00Z", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("2026-03-01T10:00:00+02:00", datetime(2026, 3, 1, 8, tzinfo=UTC)),
        ("2026-03-01 10:00:00.250-0500", datetime(2026, 3, 1, 15, 0, 0, 250_000, tzinfo=UTC)),
        ("2026-03-01 10:00", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
    ],
)
def test_absent_zone_is_utc_and_offsets_may_be_mixed(tmp_path, text, instant):
    frame = load(tmp_path, f"timestamp,value\n2026-01-01 00:00:00,1\n{text},2\n").frame
    assert frame["timestamp"].to_list() == [datetime(2026, 1, 1, tzinfo=UTC), instant]


def test_missing_values_of_every_spelling_are_null(tmp_path):
    fields = ["", "NaN", "nan", "NA", "null", "None", "inf", "-Infinity", " "]
    text = "timestamp,value\n" + "".join(f"2026-01-01,{field}\n" for field in fields)
    assert load(tmp_path, text).frame["value"].to_list() == [None] * len(fields)


def test_numbers_of_every_usual_spelling_are_read(tmp_path):
    text = "timestamp,value\n" + "".join(f"2026-01-01,{field}\n" for field in ["1e3", "+4", " 5", ".5", "-0.25", '"7"'])
    assert load(tmp_path, text).frame["value"].to_list() == [1000.0, 4.0, 5.0, 0.5, -0.25, 7.0]


def test_series_are_numbered_by_first_appearance_and_carried_through(tmp_path):
    text = "series,timestamp,value,note\nb,2026-01-01,1,x\na,2026-01-01,2,y\n,2026-01-01,3,z\nb,2026-01-02,4,x\n"
    file = load(tmp_path, text)
    assert file.has_series
    assert file.frame["series_id"].to_list() == [0, 1, 2, 0]
    assert file.frame["series"].to_list() == ["b", "a", None, "b"]
    assert file.names().rows() == [(0, "b"), (1, "a"), (2, None)]


def test_without_the_column_all_rows_are_one_series(tmp_path):
    file = load(tmp_path, "value,timestamp\n1,2026-01-01\n")
    assert not file.has_series
    assert file.frame["series_id"].to_list() == [0]


def test_windows_line_ends_a_byte_order_mark_and_blank_lines_do_no_harm(tmp_path):
    file = load(tmp_path, b"\xef\xbb\xbf timestamp , value\r\n2026-01-01,1\r\n\r\n2026-01-02,2\r\n")
    assert file.frame["value"].to_list() == [1.0, 2.0]


def test_gzip_and_parquet_give_the_same_rows_as_csv(tmp_path):
    text = "timestamp,value,series\n2026-01-02 00:00:00,2,b\n2026-01-01 00:00:00,,a\n"
    plain = load(tmp_path, text).frame
    assert load(tmp_path, gzip.compress(text.encode()), "in.csv.gz").frame.equals(plain)
    path = tmp_path / "in.parquet"
    pl.read_csv(text.encode()).write_parquet(path)
    assert load_series(path).frame.equals(plain)


def test_parquet_keeps_the_types_of_times_and_series(tmp_path):
    path = tmp_path / "in.parquet"
    zone = timezone(timedelta(hours=2))
    stamps = pl.Series([datetime(2026, 1, 1, 2, tzinfo=zone)]).cast(pl.Datetime("ns", "Europe/Berlin"))
    pl.DataFrame({"timestamp": stamps, "value": [float("nan")], "series": [7]}).write_parquet(path)
    frame = load_series(path).frame
    assert frame["timestamp"].to_list() == [datetime(2026, 1, 1, tzinfo=UTC)]
    assert frame["timestamp_text"].dtype == pl.Datetime("ns", "Europe/Berlin")
    assert frame["series"].to_list() == [7]
    assert frame["value"].to_list() == [None]


def test_missing_file_says_so(tmp_path):
    with pytest.raises(InputDataError, match="no such file"):
        load_series(tmp_path / "nowhere.csv")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "empty"),
        ("\n\n", "empty"),
        ("timestamp,value\n", "no rows"),
        ("timestamp;value\n2026-01-01;1\n", "separated by ';'"),
        ("timestamp\tvalue\n2026-01-01\t1\n", "separated by '\\t'"),
        ("ds,y\n2026-01-01,1\n", "found the columns ds, y; expected timestamp, value"),
        ("2026-01-01,1\n2026-01-02,1\n", "found the columns 2026-01-01, 1"),
        ("timestamp,value\n2026-01-01,1\n2026-01-02,abc\n", "line 3: the value 'abc' is not a number"),
        ('timestamp,value,series\n2026-01-01,1,"a\nb"\n2026-01-02,x,c\n', "line 4: the value 'x'"),
        ("timestamp,value\n2026-01-01,1\nyesterday,2\n", "line 3: the timestamp 'yesterday'"),
        ("timestamp,value\n2026-13-01,1\n", "line 2: the timestamp '2026-13-01'"),
        ("timestamp,value\n,1\n", "line 2: the timestamp ''"),
        ("timestamp,value\n2026-01-01,1,5\n", "line 2: more fields"),
        (b"\x00\x01\x02PNG\xff\xfe" * 50, "not a text file"),
        (b"timestamp,value\n2026-01-01,1\n" * 5000 + b"\xff\xfe,1\n", "not a text file"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_fault(tmp_path, content, words):
    assert words in refusal(tmp_path, content)


def test_broken_gzip_and_broken_parquet_are_refused(tmp_path):
    whole = gzip.compress(b"timestamp,value\n" + b"2026-01-01,1\n" * 200_000)
    assert "decompressed" in refusal(tmp_path, b"not gzip at all", "a.csv.gz")
    assert "in.csv.gz" in refusal(tmp_path, whole[: len(whole) // 2], "in.csv.gz")
    assert "not readable as Parquet" in refusal(tmp_path, b"PAR1 nonsense", "in.parquet")


def test_parquet_with_text_values_names_what_it_found(tmp_path):
    path = tmp_path / "in.parquet"
    pl.DataFrame({"timestamp": ["2026-01-01"], "value": ["x"]}).write_parquet(path)
    with pytest.raises(InputDataError, match=r"value \(String\)"):
        load_series(path)


def test_unknown_suffix_and_missing_folder_are_refused_before_the_work(tmp_path):
    assert "does not say what the file is" in refusal(tmp_path, "timestamp,value\n", "in.xlsx")
    with pytest.raises(InputDataError, match="does not say what the file is"):
        check_out(tmp_path / "out.txt")
    with pytest.raises(InputDataError, match="no such folder"):
        check_out(tmp_path / "deep" / "out.csv")


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz", "out.parquet"])
def test_an_answer_is_written_whole_in_the_form_of_its_suffix(tmp_path, name):
    frame = pl.DataFrame({"timestamp": ["a"], "score": [0.5]})
    write_frame(frame, tmp_path / name)
    back = pl.read_parquet(tmp_path / name) if name.endswith("parquet") else pl.read_csv(tmp_path / name)
    assert back.equals(frame)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_without_out_the_answer_goes_to_standard_output_as_csv(capfdbinary):
    write_frame(pl.DataFrame({"timestamp": ["a"], "score": [0.5]}), None)
    assert capfdbinary.readouterr().out == b"timestamp,score\na,0.5\n"


def test_a_reader_that_stops_early_ends_the_output_without_complaint():
    code = (
        "import polars as pl; from api.cli.series_file import write_frame;"
        "write_frame(pl.DataFrame({'timestamp': ['2026-01-01'] * 300_000}), None)"
    )
    done = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.stdout is not None
    assert done.stderr is not None
    assert done.stdout.readline() == "timestamp\n"
    done.stdout.close()
    assert done.stderr.read() == ""
    assert done.wait(timeout=60) == 0
    done.stderr.close()
