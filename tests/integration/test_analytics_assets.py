"""Every analytics asset on a lake with two weeks of one loader: it runs, shows its facts, and its checks pass."""

from __future__ import annotations

from datetime import timedelta

import pytest
from dagster import AssetKey, materialize

from etlmon_assets.analytics import ANALYTICS_ASSETS
from etlmon_assets.outlook import OUTLOOK_ASSETS
from resources.capture.engine import CaptureContext, CaptureEngine
from resources.clock import utc_now
from resources.dagster_bindings import PlatformResource
from tests.fakes.computed_source import ComputedSource
from tests.fakes.platform import Platform
from tests.integration.test_lake_analytics import loader, season


@pytest.mark.requirement("C8")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_every_asset_shows_rows_duration_and_watermark(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    assert platform.settings.database_url is not None
    monkeypatch.setenv("ETLMON_HOME", str(platform.settings.home))
    monkeypatch.setenv("ETLMON_DATABASE_URL", platform.settings.database_url.get_secret_value())
    one = loader("DEMO-A", "requests")
    two_weeks = type(one)(one.definition.model_copy(update={"history_s": 14 * 86_400.0}), 1)
    engine = CaptureEngine(
        platform.lake, platform.url, sources=lambda _: ComputedSource(season, series=2), connections={}
    )
    assert not engine.capture_due([two_weeks], CaptureContext(now=utc_now() - timedelta(seconds=1))).failed

    result = materialize([*ANALYTICS_ASSETS, *OUTLOOK_ASSETS], resources={"platform": PlatformResource()})
    assert result.success
    facts = {event.asset_key: event.materialization.metadata for event in result.get_asset_materialization_events()}
    assert {key.to_user_string() for key in facts if key} == {
        "signals_hourly", "baselines", "anomalies", "incident_periods", "control_charts", "log_patterns", "seasonality",
        "forecasts", "capacity",
    }  # fmt: skip
    assert all({"rows", "duration_s", "watermark"} <= set(one) for one in facts.values())
    assert facts[AssetKey("forecasts")]["rows"].value == 2 * 48
    assert "data:image/png;base64" in str(facts[AssetKey("baselines")]["plot"].value)
    failed = [(one.asset_key, one.check_name) for one in result.get_asset_check_evaluations() if not one.passed]
    assert [name for name in failed if name[1] != "coverage"] == []
