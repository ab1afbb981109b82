"""`--json` and the progress bar of score, forecast, capacity and templates: what machines and terminals get beside the rows."""

from __future__ import annotations

import io
import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner, Result

from api.cli import capacity, forecast, score, templates

COMMANDS = {
    "score": (score.app, ()),
    "forecast": (forecast.app, ("--horizon", "6")),
    "capacity": (capacity.app, ("--limit", "60")),
    "templates": (templates.app, ()),
}
every_command = pytest.mark.parametrize("command", COMMANDS)


def run(command: str, *arguments: object) -> Result:
    app, options = COMMANDS[command]
    return CliRunner().invoke(app, [*map(str, arguments), *options])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two gauges of 240 hours, the second with a spike, and one of three hours; as a log, 484 lines."""
    start = datetime(2031, 3, 3)  # noqa: DTZ001
    frames = []
    for name, hours in (("a", 240), ("b", 240), ("young", 3)):
        values = 40 + np.arange(hours) / 20 + np.cos(np.arange(hours) * 1.7)
        if name == "b":
            values[200] += 500
        at = [(start + timedelta(hours=hour)).isoformat(sep=" ") for hour in range(hours)]
        frames.append(pl.DataFrame({"series": name, "timestamp": at, "value": values.round(3)}))
    pl.concat(frames).write_csv(tmp_path / "in.csv")
    return tmp_path / "in.csv"


@every_command
def test_a_summary_on_stdout_leaves_the_file_as_it_is(command: str, source: Path, tmp_path: Path) -> None:
    plain, other = tmp_path / "plain.csv", tmp_path / "other.csv"
    assert run(command, source, "-o", plain).stdout == ""
    result = run(command, source, "-o", other, "--json")
    assert result.exit_code == 0
    assert other.read_bytes() == plain.read_bytes()
    summary = json.loads(result.stdout)
    assert summary["out"] == str(other)
    assert summary["rows"] == pl.read_csv(other).height


def test_the_summary_says_what_a_machine_would_count(source: Path, tmp_path: Path) -> None:
    def summary(command: str) -> dict[str, object]:
        return json.loads(run(command, source, "--json", "-o", tmp_path / "out.parquet").stdout)

    assert summary("score").items() >= {"rows": 483, "series": 3, "anomalies": 1}.items()
    refused = summary("forecast")["refused"]
    assert [one["series"] for one in refused] == ["young"]  # type: ignore[attr-defined]
    assert "not enough history" in refused[0]["reason"]  # type: ignore[index]
    told = summary("capacity")
    assert told["series"] == 3
    assert told["reaching"] == pl.read_parquet(tmp_path / "out.parquet")["reaches_at"].is_not_null().sum()
    assert [one["series"] for one in told["refused"]] == ["young"]  # type: ignore[attr-defined]
    assert summary("templates")["rows"] == 484
    assert summary("templates")["templates"] == pl.read_parquet(tmp_path / "out.parquet")["template_id"].n_unique()


@every_command
def test_without_a_file_the_rows_are_json_lines(command: str, source: Path) -> None:
    rows = pl.read_csv(io.BytesIO(run(command, source).stdout_bytes), infer_schema=False)
    lines = [json.loads(line) for line in run(command, source, "--json").stdout.splitlines()]
    assert len(lines) == rows.height
    assert all(list(line) == rows.columns for line in lines)
    column = {"score": "timestamp", "forecast": "timestamp", "capacity": "reaches_at", "templates": "template"}[command]
    assert [line[column] for line in lines] == rows[column].to_list()


@pytest.mark.parametrize("command", ["forecast", "capacity"])
def test_a_refusal_is_no_json(command: str, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("timestamp,value\n2031-01-01,1\n")
    result = run(command, tmp_path / "in.csv", "--json")
    assert result.exit_code != 0
    assert result.stdout == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("score", ("rows scored", "483/483")),
        ("forecast", ("series forecast", "3/3")),
        ("capacity", ("gauges simulated", "/4")),
        ("templates", ("bytes mined", "/")),
    ],
)
def test_on_a_terminal_a_bar_counts_on_stderr(
    command: str, said: tuple[str, str], source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr("sys.stderr", terminal)
    app, options = COMMANDS[command]
    app([str(source), "-o", str(tmp_path / "out.csv"), *options], standalone_mode=False)
    assert all(word in terminal.getvalue() for word in said), terminal.getvalue()


@every_command
def test_elsewhere_there_is_no_bar(command: str, source: Path, tmp_path: Path) -> None:
    said = run(command, source, "-o", tmp_path / "out.csv").stderr
    assert "/" not in said
    assert "\x1b" not in said
