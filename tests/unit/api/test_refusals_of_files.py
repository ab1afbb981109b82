"""Through `main`, as the program is called: each refusal of the commands on files is code 2, one sentence and what to do."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from api.cli.main import main

OPTIONS = {"score": [], "forecast": ["--horizon", "6"], "capacity": ["--limit", "90"], "templates": []}
SERIES_COMMANDS = ("score", "forecast", "capacity")
GOOD = "timestamp,value\n" + "".join(f"2031-01-{day:02d},{day}\n" for day in range(1, 29))


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.csv").write_text(GOOD)


def refused(capsys: pytest.CaptureFixture[str], command: str, file: str, *arguments: str) -> str:
    """What is said on stderr; asserts the code, the suggestion and that nothing else came."""
    with pytest.raises(SystemExit) as end:
        main([command, file, *OPTIONS[command], *arguments])
    assert end.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    return said.err


@pytest.mark.parametrize("command", SERIES_COMMANDS)
@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("in.csv", b"", "the file is empty"),
        ("in.csv", b"timestamp,value\n", "a header, but no rows"),
        ("in.csv", b"timestamp;value\n2031-01-01;1\n", "separated by ';'"),
        ("in.csv", b"time,number\n2031-01-01,1\n", "expected timestamp, value"),
        ("in.csv", b"timestamp,value\n2031-01-01,many\n", "line 2: the value 'many' is not a number"),
        ("in.csv", b"timestamp,value\nsoon,2\n", "line 2: the timestamp 'soon' cannot be read"),
        ("in.csv", b"timestamp,value\n2031-01-01,1,2\n", "line 2: more fields than the header"),
        ("in.csv", b"timestamp,value\n\xff\xfe\xfa,1\n", "not a text file in UTF-8"),
        ("in.csv.gz", gzip.compress(GOOD.encode())[:-20], "cannot be decompressed"),
        ("in.parquet", b"PAR1 and then something else", "not readable as Parquet"),
        ("in.xlsx", b"PK", "does not say what the file is"),
    ],
    ids=[
        "empty",
        "header only",
        "separator",
        "columns",
        "text",
        "time",
        "ragged",
        "UTF-8",
        "gzip",
        "parquet",
        "suffix",
    ],
)
def test_files_of_series(command, name, content, words, capsys):
    Path(name).write_bytes(content)
    said = refused(capsys, command, name)
    assert words in said
    assert "→" in said


@pytest.mark.parametrize("command", OPTIONS)
@pytest.mark.parametrize(
    ("file", "out", "words"),
    [
        ("nowhere.csv", "out.csv", "no "),
        ("good.csv", "out.xlsx", "out.xlsx"),
        ("good.csv", "none/out.csv", "no "),
    ],
)
def test_places_that_are_not_there(command, file, out, words, capsys):
    said = refused(capsys, command, file, "-o", out)
    assert words in said
    assert "→" in said


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (bytes(range(256)) * 100, "not a text log"),
        ("hello\n".encode("utf-16"), "UTF-16"),
        (gzip.compress(GOOD.encode())[:-20], "damaged gzip"),
    ],
    ids=["binary", "UTF-16", "gzip"],
)
def test_logs(content, words, capsys):
    Path("app.log").write_bytes(content)
    said = refused(capsys, "templates", "app.log")
    assert words in said
    assert "→" in said


@pytest.mark.parametrize("command", ["forecast", "capacity"])
@pytest.mark.parametrize("rows", ["2031-01-01,1\n", "2031-01-01,\n2031-01-02,NaN\n", "2031-01-01,1\n2031-01-02,2\n"])
def test_not_enough_history(command, rows, capsys):
    Path("in.csv").write_text("timestamp,value\n" + rows)
    said = refused(capsys, command, "in.csv", "-o", "out.csv")
    assert said.startswith("NOT_ENOUGH_HISTORY")
    assert "give a longer history" in said
    assert not Path("out.csv").exists()


@pytest.mark.parametrize(
    ("command", "wish", "words"),
    [
        ("forecast", ["--horizon", "0"], "horizon"),
        ("forecast", ["--level", "1"], "level"),
        ("forecast", ["--models", "oracle"], "oracle"),
        ("forecast", ["--holidays", "nowhere"], "nowhere"),
        ("capacity", ["--limit", "nan"], "limit"),
        ("capacity", ["--horizon", "0"], "horizon"),
        ("capacity", ["--level", "2"], "level"),
        ("score", ["--limit", "1"], "--limit"),
        ("templates", ["--state", "good.csv"], "template state"),
    ],
)
def test_wishes(command, wish, words, capsys):
    assert words in refused(capsys, command, "good.csv", *wish)
