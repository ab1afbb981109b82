"""The capacity asset gives the answer of the measured estimator, the one of `etlmon capacity`, over all of its history."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from api.cli.capacity import app
from domain.capacity import compute_capacity
from domain.signals import TIMESTAMP
from resources.analytics.capacity import HISTORY_DAYS, refresh_capacity
from tests.fakes.platform import Platform

NOW = datetime(2026, 6, 1, 12, 30, tzinfo=UTC)
LIMIT = 90.0
#: name → (days of history, hours between two values)
GAUGES = {"dense": (150, 1), "young": (25, 1), "younger": (4, 1), "six_hours": (150, 6), "daily": (150, 24)}


def gauge(days: int, every_h: int, *, seed: int) -> pl.DataFrame:
    """captured_at, metric_value: slow growth, a week, a day and noise, up to the hour before NOW."""
    hours = np.arange(days * 24)[::-every_h][::-1]
    noise = np.random.default_rng(seed).normal(0, 1, len(hours)).cumsum() * 0.05
    week = 6 * np.sin(2 * np.pi * hours / 168) + 2 * np.sin(2 * np.pi * hours / 24)
    newest = int(NOW.replace(minute=0).timestamp() * 1e6)
    at = newest - (days * 24 - 1 - hours) * 3_600_000_000
    return pl.DataFrame({"captured_at": at, "metric_value": 76 - 0.005 * (days * 24 - hours) + week + noise}).cast(
        {"captured_at": TIMESTAMP}
    )


def fill(platform: Platform) -> pl.DataFrame:
    """All gauges in the rollup; their points: series_id, captured_at, metric_value."""
    frames = []
    for number, (days, every_h) in enumerate(GAUGES.values(), start=1):
        frames.append(gauge(days, every_h, seed=number).select(pl.lit(number, pl.Int64).alias("series_id"), pl.all()))
        platform.lake.execute(
            "INSERT INTO series BY NAME SELECT ?::BIGINT AS series_id, 'L' AS loader_code, 'disk' AS metric_name,"
            " '{}'::JSON AS labels, ?::DOUBLE AS limit_value, 3.0 AS lead_time_days, 3600.0 AS step_s",
            [number, LIMIT],
        )
    points = pl.concat(frames)
    hourly = points.select("series_id", hour_at="captured_at", maximum="metric_value")
    platform.lake.insert("signals_hourly", hourly.with_columns(mean=pl.col("maximum") - 5))
    return points


def ask_command(points: pl.DataFrame, folder: Path) -> pl.DataFrame:
    named = points.select(
        series=pl.col("series_id"),
        timestamp=pl.col("captured_at").dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        value="metric_value",
    )
    named.write_csv(folder / "disks.csv")
    result = CliRunner().invoke(app, [str(folder / "disks.csv"), "--limit", str(LIMIT)])
    assert result.exit_code == 0, result.output
    ends = [pl.col(name).cast(pl.String).str.to_datetime(time_zone="UTC") for name in ("reaches_at", "lower", "upper")]
    return pl.read_csv(io.BytesIO(result.stdout_bytes)).with_columns(ends).sort("series")


@pytest.mark.requirement("C6")
def test_the_asset_answers_what_the_command_answers(platform: Platform, tmp_path: Path) -> None:
    points = fill(platform)
    stored = refresh_capacity(platform.lake, now=NOW).dates.sort("series_id")
    told = ask_command(points, tmp_path)
    assert stored["series_id"].to_list() == told["series"].to_list() == [1, 2, 3, 4, 5]
    for name in ("reaches_at", "lower", "upper"):
        assert stored[name].dt.truncate("1s").to_list() == told[name].dt.truncate("1s").to_list(), name
    for name in ("growth_per_day", "probability"):
        assert stored[name].to_list() == pytest.approx(told[name].to_list(), abs=1e-9), name
    assert stored["reaches_at"].null_count() < 5


@pytest.mark.requirement("C6")
def test_history_beyond_a_month_is_used(platform: Platform) -> None:
    points = fill(platform)
    stored = refresh_capacity(platform.lake, now=NOW).dates.sort("series_id")
    month = compute_capacity(points.filter(pl.col("captured_at") >= NOW - timedelta(days=30)), LIMIT).dates
    dense, as_of_a_month = stored.row(0, named=True), month.row(0, named=True)
    assert dense["probability"] != pytest.approx(as_of_a_month["probability"], abs=1e-3)
    # the young gauge is not older than a month: nothing changes for it
    assert stored["probability"][1] == pytest.approx(month["probability"][1], abs=1e-9)


def test_what_is_older_than_the_history_is_not_read(platform: Platform) -> None:
    fill(platform)
    before = refresh_capacity(platform.lake, now=NOW).dates
    older = gauge(3, 1, seed=9).select(pl.lit(1, pl.Int64).alias("series_id"), maximum=pl.col("metric_value") + 50,
        hour_at=pl.col("captured_at") - timedelta(days=HISTORY_DAYS))  # fmt: skip
    platform.lake.insert("signals_hourly", older)
    assert refresh_capacity(platform.lake, now=NOW).dates.equals(before)
