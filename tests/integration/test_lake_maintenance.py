"""Rollup, retention and compaction on a real lake: sums stay right, nothing leaves unsummarised, files shrink."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from resources.lake.maintenance import apply_retention, compact, roll_up
from tests.fakes.platform import Platform

START = datetime(2026, 1, 1, tzinfo=UTC)


def insert(
    platform: Platform, at: list[datetime], values: list[float], *, ingested_at: datetime, series: int = 1
) -> None:
    frame = pl.DataFrame({"series_id": [series] * len(at), "captured_at": at, "metric_value": values})
    platform.lake.write(
        "signals", lambda lake: lake.insert("signals", frame.with_columns(ingested_at=pl.lit(ingested_at)))
    )


@pytest.mark.requirement("B9")
def test_rollup_recomputes_only_touched_hours_and_their_days(platform: Platform) -> None:
    instants = [START + timedelta(minutes=5 * k) for k in range(36)]
    insert(platform, instants, [float(k) for k in range(36)], ingested_at=START + timedelta(hours=3))
    assert roll_up(platform.lake).hours == 3
    assert roll_up(platform.lake).hours == 0
    insert(platform, [START + timedelta(minutes=61)], [1000.0], ingested_at=START + timedelta(hours=4))
    assert roll_up(platform.lake).hours == 1
    hourly = platform.lake.query("SELECT hour_at, points, total, maximum FROM signals_hourly ORDER BY hour_at").rows()
    assert [row[1] for row in hourly] == [12, 13, 12]
    assert hourly[1][2:] == (sum(range(12, 24)) + 1000.0, 1000.0)
    assert platform.lake.query("SELECT points, total FROM signals_daily").row(0) == (37, sum(range(36)) + 1000.0)


@pytest.mark.requirement("B9")
def test_retention_removes_raw_only_after_its_rollup(platform: Platform) -> None:
    now = START + timedelta(days=100)
    insert(platform, [START, START + timedelta(days=99)], [1.0, 2.0], ingested_at=START)
    assert apply_retention(platform.lake, platform.settings, now=now)["signals"] == 0, "not rolled up yet"
    roll_up(platform.lake)
    assert apply_retention(platform.lake, platform.settings, now=now)["signals"] == 1
    assert platform.lake.query("SELECT metric_value FROM signals")["metric_value"].to_list() == [2.0]
    assert platform.lake.query("SELECT sum(points) AS n FROM signals_hourly")["n"][0] == 2


@pytest.mark.requirement("B9")
def test_compaction_merges_small_files_and_keeps_every_row(platform: Platform) -> None:
    for k in range(4):
        insert(
            platform,
            [START + timedelta(seconds=k * 7000 + j) for j in range(6000)],
            [float(k)] * 6000,
            ingested_at=START + timedelta(minutes=k),
        )
    insert(platform, [START + timedelta(hours=20)], [9.0], ingested_at=START + timedelta(hours=1))
    before = platform.lake.query("SELECT count(*) AS n, sum(metric_value) AS s FROM signals").row(0)
    result = compact(platform.lake, now=datetime.now(UTC) + timedelta(days=1))
    assert result.files_before == 4
    assert result.files_after < result.files_before
    assert platform.lake.query("SELECT data_file FROM ducklake_list_files('lake', 'signals')").height == 1
    assert result.snapshots_expired > 0
    assert platform.lake.query("SELECT count(*) AS n, sum(metric_value) AS s FROM signals").row(0) == before
