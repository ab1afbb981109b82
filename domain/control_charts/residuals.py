"""Residuals of all series as one padded matrix [series, time], so that a chart is a scan over time and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from domain.anomalies.tail_score import compute_normal_deviate
from domain.baselines.matching import RELATIVE_ZERO, match_baselines
from domain.control_charts.ties import compute_spread, compute_steps

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: A number to calculate on with where a constant moves.
LARGEST = 1e6


@dataclass(frozen=True, slots=True)
class Residuals:
    """Standardised residuals, in rows of one series, oldest first.

    Attributes:
        z: [series, longest]; NaN after the end of a shorter series.
        frame: series_id and captured_at of the filled cells, in the order of `z` read row by row.
        reference: (S,) how many of the first cells of each row are not charted but learnt from.

    """

    z: Floats
    frame: pl.DataFrame
    reference: Ints


def compute_residuals(points: pl.DataFrame, baselines: pl.DataFrame, *, since: datetime | None = None) -> Residuals:
    """Deviations from the baseline computed before each point, as normal deviates.

    (value - expected) / spread, the spread being the standard error of a prediction by the baseline (day-to-day scatter and
    trend included), follows Student's t; it is turned into the normal deviate of the same tail, so that baselines of few
    points raise no extra alarms. Values of a series of few steps are spread evenly over the step. Points without a baseline are
    left out. Where all history was constant, a point that stays is 0 and one that moves is far out.

    Args:
        points: POINTS_SCHEMA.
        baselines: BASELINE_SCHEMA.
        since: points before it are the reference; None: there is none.

    """
    matched = match_baselines(points, baselines).filter(pl.col("level").is_not_null())
    lengths = matched.group_by("series_id", maintain_order=True).len()["len"].to_numpy().astype(np.int64)
    is_cell = np.arange(lengths.max(initial=0)) < lengths[:, None]
    at = matched["captured_at"].to_physical().to_numpy()
    value, mean, spread, degrees = (matched[name].to_numpy() for name in ("metric_value", "mean", "spread", "degrees"))
    steps = np.repeat(compute_steps(_pack(value, is_cell)), lengths)
    value = value + np.where(spread > RELATIVE_ZERO * np.abs(mean), steps, 0.0) * compute_spread(at)
    floor = np.maximum(RELATIVE_ZERO * np.abs(mean), np.finfo(float).tiny)
    with np.errstate(over="ignore"):
        deviation = np.clip((value - mean) / np.maximum(spread, floor), -LARGEST, LARGEST)
    z = np.copysign(compute_normal_deviate(deviation, degrees=degrees), value - mean)
    is_past = (
        matched["captured_at"] < since if since is not None else pl.zeros(matched.height, dtype=pl.Boolean, eager=True)
    )
    reference = _pack(is_past.to_numpy().astype(np.float64), is_cell) == 1
    return Residuals(_pack(z, is_cell), matched.select("series_id", "captured_at"), reference.sum(axis=1))


def _pack(cells: Floats, is_cell: NDArray[np.bool_]) -> Floats:
    matrix = np.full(is_cell.shape, np.nan)
    matrix[is_cell] = cells
    return matrix
