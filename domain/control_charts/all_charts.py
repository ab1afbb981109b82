"""The charts as the drift asset asks for them: all three over all series, in one frame."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl

from domain.control_charts.calibration import compute_scores
from domain.control_charts.chart import render_chart
from domain.control_charts.cusum import compute_cusum
from domain.control_charts.ewma import compute_ewma
from domain.control_charts.residuals import compute_residuals
from domain.control_charts.shewhart import compute_shewhart


def compute_control_charts(
    points: pl.DataFrame, baselines: pl.DataFrame, *, since: datetime | None = None
) -> pl.DataFrame:
    """Shewhart, EWMA and CUSUM of the residuals of each point from the baseline computed before it.

    What a series did before `since` is its reference: the memory and the distribution that its residuals have when nothing
    drifts. The charts start at `since`; hand in the whole stretch that drift is to be looked for in, and a week or more before.

    Args:
        points: POINTS_SCHEMA, any order.
        baselines: BASELINE_SCHEMA, of one or many `computed_at`.
        since: None charts all points, as of independent normal noise; so does a reference shorter than MIN_REFERENCE.

    Returns:
        CHART_SCHEMA, three rows per charted point that has a baseline, sorted by chart, series and time; none without
        baselines.

    """
    residuals = compute_residuals(points, baselines, since=since)
    scores = compute_scores(residuals.z, residuals.reference)
    is_cell = ~np.isnan(scores.z)
    frame = residuals.frame if since is None else residuals.frame.filter(pl.col("captured_at") >= since)
    charts = (
        compute_shewhart(scores.z),
        compute_ewma(scores.z, scores.sway),
        compute_cusum(scores.z, scores.sway),
    )
    return pl.concat([render_chart(chart, frame, is_cell=is_cell) for chart in charts])
