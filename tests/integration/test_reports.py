"""`etlmon report` on a real lake: from signals to the two files, with the figures a reader can add up."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli.report import app
from domain.errors import NotFoundError
from domain.reporting.period import ReportKind
from resources.reports.writing import write_report
from tests.fakes import lake_data as data

pytestmark = pytest.mark.requirement("C7")


def _report(runner: CliRunner, *arguments: str) -> dict[str, object]:
    result = runner.invoke(app, [*arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    answer: dict[str, object] = json.loads(result.stdout.splitlines()[-1])
    return answer


def test_reports_are_written_from_the_marts_and_can_be_made_again(tmp_path: Path, postgres_url: str) -> None:
    settings, _, lake = data.open_new_lake(tmp_path / "home", postgres_url)
    out = tmp_path / "reports"
    with lake:
        data.fill_lake(lake)
        with pytest.raises(NotFoundError, match="marts"):
            write_report(lake, ReportKind.WEEKLY, as_of=date(2026, 10, 26), out=out)
    assert not out.exists()

    runner = CliRunner(env={"ETLMON_HOME": str(settings.home), "ETLMON_DATABASE_URL": postgres_url})
    weekly = _report(runner, "weekly", "--out", str(out), "--as-of", "2026-10-26")  # builds the marts: they are missing
    figures = weekly["figures"]
    assert isinstance(figures, dict)
    assert figures["uptime_pct"] == pytest.approx(100 * (168 + 162 - 0.5) / (168 + 162))
    assert figures["error_rate_pct"] == pytest.approx(100 * (167 * 12 + 300 + 168 * 3) / (168 * 1800))
    assert figures["latency_p99_ms"] == pytest.approx(135)
    assert figures["loader_success_pct"] == pytest.approx(100 * (168 * 6 - 4) / (168 * 6))
    assert figures["gauges_filling"] is None  # no capacity was computed: not known, not zero

    page = Path(str(weekly["html"]))
    assert page.name == "weekly-2026-10-19.html"
    assert "329.5 of 330 observed service hours" in page.read_text()
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    shutil.rmtree(out)
    _report(runner, "weekly", "--out", str(out), "--as-of", "2026-10-26")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == first

    sla = _report(runner, "sla", "--out", str(out), "--as-of", "2026-11-02")
    assert "auth met the target in the hours observed" in Path(str(sla["html"])).read_text()
    monthly = _report(runner, "monthly", "--out", str(out), "--as-of", "2026-11-02")
    assert "October 2026" in Path(str(monthly["html"])).read_text()
    assert {path.suffix for path in out.iterdir()} == {".html", ".pdf"}


def test_a_day_that_is_none_is_refused_with_an_example(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["weekly", "--out", str(tmp_path), "--as-of", "yesterday"])
    assert result.exit_code == 2
    assert "%Y-%m-%d" in result.output
