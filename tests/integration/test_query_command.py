"""`etlmon query` on a real lake: every format holds the same rows, and only reading is possible."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from api.cli.main import main
from tests.fakes.platform import Platform

AT = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
SQL = "SELECT (labels->>'v') AS v, metric_value, captured_at FROM signals_wide ORDER BY v"
LABELS = ['a"b', "line\nbreak", "Größe 日本", "x,y;z"]


@pytest.fixture
def query(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    assert platform.settings.database_url is not None
    monkeypatch.setenv("ETLMON_DATABASE_URL", platform.settings.database_url.get_secret_value())
    monkeypatch.setenv("ETLMON_HOME", str(platform.settings.home))
    series = pl.DataFrame({
        "series_id": range(4), "loader_code": ["DEMO"] * 4, "metric_name": ["m"] * 4, "labels": [json.dumps({"v": v}) for v in LABELS],
    })  # fmt: skip
    points = pl.DataFrame({"series_id": range(4), "captured_at": [AT] * 4, "metric_value": [0.5, 1.5, 2.5, 3.5]})
    platform.lake.write("signals", lambda lake: (lake.insert("series", series), lake.insert("signals", points)))

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["query", *arguments])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_every_format_holds_the_same_rows(query: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    expected = sorted(zip(LABELS, [0.5, 1.5, 2.5, 3.5], strict=True))
    code, out, _ = query(SQL, "--format", "json")
    assert code == 0
    assert [(row["v"], row["metric_value"]) for row in json.loads(out)] == expected
    code, out, _ = query(SQL, "--format", "csv")
    assert code == 0
    (tmp_path / "stdout.csv").write_text(out)
    assert pl.read_csv(tmp_path / "stdout.csv").select("v", "metric_value").rows() == expected
    for form, read in (("csv", pl.read_csv), ("json", pl.read_json), ("parquet", pl.read_parquet)):
        assert query(SQL, "--format", form, "-o", str(tmp_path / f"out.{form}"))[0] == 0
        assert read(tmp_path / f"out.{form}").select("v", "metric_value").rows() == expected
    code, out, _ = query(SQL)
    assert code == 0
    assert "Größe 日本" in out
    assert "2026-03-10 12:00:00+00" in out, "instants are shown in UTC"
    assert json.loads(query("SELECT 1 AS x WHERE false", "--format", "json")[1]) == []


REFUSED = {
    "DELETE FROM signals": "only one SELECT",
    "INSERT INTO signals SELECT * FROM signals": "only one SELECT",
    "COPY signals TO 'out.csv'": "only one SELECT",
    "ATTACH 'x.db'": "only one SELECT",
    "SELECT 1; DROP TABLE signals": "only one SELECT",
    "SET memory_limit = '1GB'": "only one SELECT",
    "": "only one SELECT",
    "SELEC 1": "cannot be read",
    "SELECT * FROM nowhere": "nowhere",
    "SELECT nothing FROM signals": "nothing",
    "SELECT metric_name::INT FROM signals_wide": "Could not convert",
}


def test_what_cannot_be_answered_is_said_and_nothing_is_changed(
    query: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for sql, words in REFUSED.items():
        for form in ("table", "csv"):
            code, out, err = query(sql, "--format", form)
            assert (code, out) == (2, ""), sql
            assert err.startswith("INPUT_DATA_ERROR: ")
            assert words in err
            assert "\n  → " in err
    assert query("SELECT count(*) AS n FROM signals", "--format", "csv")[1].split() == ["n", "4"]
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
