"""Residuals of all series as one padded matrix [series, time], so that a chart is a scan over time and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from domain.anomalies.tail_score import compute_normal_deviate
from domain.baselines.matching import RELATIVE_ZERO, match_baselines

Floats = NDArray[np.float64]

#: Beyond this many sigma a residual says no more; it keeps one wild point from ringing in EWMA and CUSUM for days.
CLIP = 8.0


@dataclass(frozen=True, slots=True)
class Residuals:
    """Standardised residuals, in rows of one series, oldest first.

    Attributes:
        z: [series, longest]; NaN after the end of a shorter series.
        frame: series_id and captured_at of the filled cells, in the order of `z` read row by row.

    """

    z: Floats
    frame: pl.DataFrame

    def flatten(self, matrix: Floats) -> Floats:
        """The filled cells of a matrix shaped like `z`, in the order of `frame`."""
        cells: Floats = matrix[~np.isnan(self.z)]
        return cells


def compute_residuals(points: pl.DataFrame, baselines: pl.DataFrame) -> Residuals:
    """Deviations from the baseline computed before each point, as normal deviates, clipped to ± CLIP.

    (value - expected) / spread, the spread being the standard error of a prediction by the baseline (day-to-day scatter and
    trend included), follows Student's t; it is turned into the normal deviate of the same tail, so that baselines of few
    points raise no extra alarms. The occurrence that a point is held against is one of those its spread is learnt from, which
    makes alarms rarer still where days differ much: a run length of 370 becomes about 700. Points without a baseline are
    left out. Where all history was constant, a point that stays is
    0 and one that moves is ± CLIP.

    Args:
        points: POINTS_SCHEMA.
        baselines: BASELINE_SCHEMA.

    """
    matched = match_baselines(points, baselines).filter(pl.col("level").is_not_null())
    value, mean, spread, degrees = (matched[name].to_numpy() for name in ("metric_value", "mean", "spread", "degrees"))
    floor = np.maximum(RELATIVE_ZERO * np.abs(mean), np.finfo(float).tiny)
    with np.errstate(over="ignore"):
        deviation = (value - mean) / np.maximum(spread, floor)
    z = np.minimum(compute_normal_deviate(deviation, degrees=degrees), CLIP)
    frame = matched.select("series_id", "captured_at").with_columns(z=pl.Series(np.copysign(z, value - mean)))
    return pack_residuals(frame)


def pack_residuals(frame: pl.DataFrame) -> Residuals:
    """Matrix from long rows series_id, captured_at, z, sorted by series and time."""
    lengths = frame.group_by("series_id", maintain_order=True).len()["len"].to_numpy()
    width = int(lengths.max()) if lengths.size else 0
    z = np.full((lengths.size, width), np.nan)
    z[np.arange(width) < lengths[:, None]] = frame["z"].to_numpy()
    return Residuals(z=z, frame=frame.select("series_id", "captured_at"))
