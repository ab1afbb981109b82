"""The charts as the drift asset asks for them: all three over all series, in one frame."""

from __future__ import annotations

import polars as pl

from domain.control_charts.chart import render_chart
from domain.control_charts.cusum import compute_cusum
from domain.control_charts.ewma import compute_ewma
from domain.control_charts.residuals import compute_residuals
from domain.control_charts.shewhart import compute_shewhart


def compute_control_charts(points: pl.DataFrame, baselines: pl.DataFrame) -> pl.DataFrame:
    """Shewhart, EWMA and CUSUM of the residuals of each point from the baseline computed before it.

    The charts start at the first point given; hand in the whole stretch that drift is to be looked for in.

    Args:
        points: POINTS_SCHEMA, any order.
        baselines: BASELINE_SCHEMA, of one or many `computed_at`.

    Returns:
        CHART_SCHEMA, three rows per point that has a baseline, sorted by chart, series and time; none without baselines.

    """
    residuals = compute_residuals(points, baselines)
    charts = (compute_shewhart(residuals.z), compute_ewma(residuals.z), compute_cusum(residuals.z))
    return pl.concat([render_chart(chart, residuals) for chart in charts])
