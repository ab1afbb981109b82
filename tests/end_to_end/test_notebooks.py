"""The notebooks run as they are against the store (K3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from resources.analytics.anomalies import detect_new_anomalies
from resources.analytics.baselines import refresh_baselines
from resources.analytics.forecasts import refresh_forecasts
from resources.capture.engine import CaptureContext, CaptureEngine
from resources.lake.maintenance import roll_up
from tests.fakes.computed_source import ComputedSource
from tests.fakes.platform import Platform
from tests.integration.test_lake_analytics import loader, season

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.fixture
def derived(platform: Platform) -> Platform:
    """A lake with ten days of one loader, and everything the notebooks look at."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    engine = CaptureEngine(
        platform.lake, platform.url, sources=lambda _: ComputedSource(season, series=2), connections={}
    )
    one = loader("DEMO-A", "requests")
    short = one.definition.model_copy(update={"history_s": 10 * 86_400.0})
    assert not engine.capture_due([type(one)(short, 1)], CaptureContext(now=now + timedelta(seconds=40))).failed
    roll_up(platform.lake)
    refresh_baselines(platform.lake, now=now)
    detect_new_anomalies(platform.lake, now=now)
    refresh_forecasts(platform.lake, now=now)
    return platform


@pytest.mark.requirement("K3")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*:RuntimeWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(
    derived: Platform, path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert derived.settings.database_url is not None
    monkeypatch.setenv("ETLMON_HOME", str(derived.settings.home))
    monkeypatch.setenv("ETLMON_DATABASE_URL", derived.settings.database_url.get_secret_value())
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=180, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    figures = [one for one in outputs if "application/vnd.plotly.v1+json" in one.get("data", {})]
    assert len(figures) == 1
    traces = {trace.get("name"): trace for trace in figures[0]["data"]["application/vnd.plotly.v1+json"]["data"]}
    assert {"observed", "baseline ± 3 σ", "forecast"} <= set(traces)
    printed = "".join(one.get("text", "") for one in outputs if one.get("output_type") == "stream")
    assert "'forecast_steps': 48" in printed
