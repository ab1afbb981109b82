"""Long work says how far it is: never backwards, and in the end all of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from domain.anomalies.causal import score_series
from domain.capacity import compute_capacity
from domain.forecasts import forecast_series
from domain.progress import Progress
from domain.signals import POINTS_SCHEMA

WORK: dict[str, tuple[int, Callable[[pl.DataFrame, Progress], object]]] = {
    "score": (3 * 120, lambda points, tell: score_series(points, on_progress=tell)),
    "forecast": (3, lambda points, tell: forecast_series(points, horizon=3, on_progress=tell)),
    "capacity": (2 * 3, lambda points, tell: compute_capacity(points, 90.0, on_progress=tell)),
}


@pytest.mark.parametrize("name", WORK)
def test_progress_rises_to_all_of_the_work(name: str) -> None:
    days = [datetime(2031, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(120)]
    values = 50 + np.random.default_rng(0).normal(0, 1, (3, 120)).cumsum(axis=1) * 0.1
    columns = {"series_id": np.repeat(np.arange(3), 120), "captured_at": days * 3, "metric_value": values.ravel()}
    said: list[tuple[int, int]] = []
    total, work = WORK[name]
    work(pl.DataFrame(columns, schema=POINTS_SCHEMA), lambda done, of: said.append((done, of)))
    assert {of for _, of in said} == {total}
    assert [done for done, _ in said] == sorted(done for done, _ in said)
    assert said[-1] == (total, total)
