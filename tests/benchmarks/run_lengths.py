"""Run lengths of the three control charts, simulated: how long until the first alarm, each series with limits of its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from domain.baselines.time_of_week import compute_baselines
from domain.control_charts.all_charts import compute_control_charts
from domain.control_charts.calibration import Scores, compute_scores
from domain.control_charts.chart import Chart
from domain.control_charts.cusum import compute_cusum
from domain.control_charts.ewma import compute_ewma
from domain.control_charts.shewhart import compute_shewhart
from domain.control_charts.ties import compute_spread, compute_steps

Floats = NDArray[np.float64]

#: In control, per chart; and how far a measured one may lie from it.
STATED = {"shewhart": 370.4, "ewma": 485.0, "cusum": 465.0}
TOLERANCE = 0.2
#: A week of five minutes.
REFERENCE = 2016
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
STEP, WEEK = timedelta(minutes=5), timedelta(days=7)


def chart_noise(noise: Floats, *, reference: int = REFERENCE, shift: float = 0.0) -> dict[str, Floats]:
    """Run lengths (S,) per chart after the reference, from where the level is shifted by so many standard deviations."""
    steps = compute_steps(noise[:, :reference])[:, None]
    at = np.arange(noise.shape[1], dtype=np.int64)
    moved = noise + shift * noise.std() * (at >= reference) + steps * compute_spread(at)
    scores = compute_scores(moved, np.full(len(noise), reference))
    return {chart.name: measure(chart) for chart in run_charts(scores)}


def run_charts(scores: Scores) -> tuple[Chart, ...]:
    """The three charts, as the platform runs them."""
    return compute_shewhart(scores.z), compute_ewma(scores.z, scores.sway), compute_cusum(scores.z, scores.sway)


def measure(chart: Chart) -> Floats:
    """Points up to and with the first alarm; all points where there is none."""
    is_out = np.abs(chart.statistic) > chart.limit
    lengths: Floats = np.where(is_out.any(axis=1), is_out.argmax(axis=1) + 1.0, is_out.shape[1])
    return lengths


def chart_through_baselines(noise: Floats) -> dict[str, Floats]:
    """Like `chart_noise` by the way of the platform: points every five minutes, a new baseline each midnight.

    The first week is for the first baseline, the second is the reference, the charts run over the rest.
    """
    series, length = noise.shape
    at = pl.datetime_range(MONDAY, MONDAY + length * STEP, STEP, closed="left", time_unit="us", eager=True)
    points = pl.DataFrame(
        {
            "series_id": np.repeat(np.arange(series), length),
            "captured_at": pl.concat([at] * series),
            "metric_value": noise.ravel(),
        }
    )
    midnights = [MONDAY + timedelta(days=day) for day in range(7, length // 288)]
    baselines = pl.concat([compute_baselines(points, as_of=midnight) for midnight in midnights])
    since = MONDAY + 2 * WEEK
    charts = compute_control_charts(points.filter(pl.col("captured_at") >= MONDAY + WEEK), baselines, since=since)
    lengths = {}
    for name in STATED:
        is_out = charts.filter(pl.col("chart") == name)["is_out_of_control"].to_numpy().reshape(series, -1)
        lengths[name] = np.where(is_out.any(axis=1), is_out.argmax(axis=1) + 1.0, is_out.shape[1])
    return lengths
