"""A process made to be killed: writes a day of signals, judges them, says so, and goes on with the next day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection

import numpy as np
import polars as pl

from domain.signals import TIMESTAMP
from resources.analytics.causal_scores import detect_causal_anomalies
from resources.lake.connection import Lake, open_lake
from resources.postgres.url import DatabaseUrl
from resources.settings import Settings

START = datetime(2026, 3, 2, tzinfo=UTC)
SERIES, ROWS = 12, 288


def signals_of(day: int) -> pl.DataFrame:
    """One day, every five minutes, with a fault in some series; captured during the day, ingested at its end."""
    rng = np.random.default_rng(day)
    values = 100 + 30 * np.sin(2 * np.pi * np.arange(ROWS) / ROWS) + rng.normal(0, 2, (SERIES, ROWS))
    values[day % SERIES, 100:120] += 60
    at = [START + timedelta(days=day, minutes=5 * i) for i in range(ROWS)]
    columns = {
        "series_id": np.repeat(np.arange(SERIES), ROWS),
        "captured_at": at * SERIES,
        "metric_value": values.ravel(),
    }
    return pl.DataFrame(columns).with_columns(
        pl.col("captured_at").cast(TIMESTAMP), ingested_at=pl.lit(START + timedelta(days=day + 1)).cast(TIMESTAMP)
    )


def write_signals(lake: Lake, signals: pl.DataFrame) -> None:
    """As the capture would have."""
    lake.write("signals", lambda inner: inner.insert("signals", signals))


def judge_day_by_day(settings: Settings, url: DatabaseUrl, days: int, pipe: Connection) -> None:
    """From the day after the newest in the lake on; a message after each day is written and after it is judged."""
    with open_lake(settings, url) as lake:
        newest = lake.instant("SELECT max(captured_at) FROM signals")
        detect_causal_anomalies(lake, folder=settings.home / "state", now=START)
        for day in range((newest - START).days + 1 if newest else 0, days):
            write_signals(lake, signals_of(day))
            pipe.send(day)
            detect_causal_anomalies(lake, folder=settings.home / "state", now=START)
            pipe.send(day)
