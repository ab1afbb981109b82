"""The front door of the command line: help, unknown commands, exit codes, errors in plain words, and a fast start."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from api.cli.main import COMMANDS, main


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    said = capsys.readouterr()
    code = ended.value.code
    return (0 if code is None else int(code)), said.out, said.err


def test_help_names_every_command_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--help")
    assert code == 0
    assert all(f"\n  {name} " in out for name in COMMANDS)
    assert "etlmon up --demo" in out
    assert run(capsys, "-h")[1] == run(capsys, "help")[1] == out
    assert run(capsys)[:2] == (2, out), "without a command it is wrong use"


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--version")
    assert (code, out.split()[0]) == (0, "etlmon")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_an_example(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = run(capsys, name, "--help")
    assert code == 0
    assert f"etlmon {name}" in out
    assert "Example" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["statsu"], "did you mean `etlmon status`?"),
        (["xyzzy"], "`etlmon --help` lists the commands"),
        (["query"], "Missing argument"),
        (["query", "SELECT 1", "--colour"], "--colour"),
        (["query", "SELECT 1", "--format", "xml"], "xml"),
        (["query", "DROP TABLE signals"], "only one SELECT"),
        (["query", "SELECT 1; SELECT 2"], "only one SELECT"),
        (["query", "SELEC 1"], "cannot be read"),
        (["query", "SELECT 1", "--format", "parquet"], "-o FILE.parquet"),
        (["capture", "--from", "2026-01-01"], "belong together"),
        (["capture", "--from", "2026-01-02", "--to", "2026-01-01"], "swap them"),
        (["capture", "--from", "today", "--to", "2026-01-01"], "'today' is no instant"),
        (["restore", "no-such.tar", "--home", "HOME"], "no-such.tar does not exist"),
    ],
)
def test_wrong_use_ends_with_2_and_says_what_to_do(
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ETLMON_DATABASE_URL", raising=False)
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert words in " ".join(err.replace("│", " ").split())
    assert out == ""
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir()), "a refused command makes nothing"


@pytest.mark.parametrize("command", [["query", "SELECT 1"], ["status"], ["backup", "copy.tar"]])
def test_reading_where_no_platform_was_started_makes_nothing(
    command: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ETLMON_DATABASE_URL", raising=False)
    code, _, err = run(capsys, *command)
    assert code == 2
    assert err.startswith("NOT_FOUND: ")
    assert "etlmon up" in err
    assert not list(tmp_path.iterdir())


def test_an_error_of_settings_is_shown_in_plain_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETLMON_API_PORT", "http")
    code, _, err = run(capsys, "status")
    assert code == 2
    assert err.startswith("CONFIGURATION_ERROR: ETLMON_API_PORT")
    assert "\n  → " in err


def test_help_starts_without_heavy_libraries() -> None:
    program = (
        "import sys, contextlib\nfrom api.cli.main import main\n"
        "with contextlib.suppress(SystemExit): main(['--help'])\n"
        "heavy = {'duckdb', 'polars', 'numpy', 'sqlalchemy', 'fastapi', 'dagster', 'prophet', 'pandas', 'typer'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: etlmon")


def test_every_command_of_the_table_exists() -> None:
    for module, text in COMMANDS.values():
        assert callable(import_module(module).app)
        assert text.endswith(".")
