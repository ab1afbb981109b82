"""What every control chart answers: a statistic with its limits per score, and the long rows made of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from domain.signals import TIMESTAMP

Floats = NDArray[np.float64]

#: One row per charted point and chart, in units of the series' sigma.
CHART_SCHEMA: dict[str, pl.DataType] = {
    "series_id": pl.Int64(),
    "captured_at": TIMESTAMP,
    "chart": pl.Enum(["shewhart", "ewma", "cusum"]),
    "statistic": pl.Float64(),
    "center": pl.Float64(),
    "lower": pl.Float64(),
    "upper": pl.Float64(),
    "is_out_of_control": pl.Boolean(),
}


@dataclass(frozen=True, slots=True)
class Chart:
    """Matrices shaped like the scores; the limits are symmetric around zero."""

    name: str
    statistic: Floats
    limit: Floats


def render_chart(chart: Chart, frame: pl.DataFrame, *, is_cell: NDArray[np.bool_]) -> pl.DataFrame:
    """CHART_SCHEMA of one chart, sorted by series and time.

    Args:
        chart: [series, time].
        frame: series_id and captured_at of the filled cells, row by row.
        is_cell: which cells are filled.

    """
    statistic = chart.statistic[is_cell]
    limit = np.broadcast_to(chart.limit, is_cell.shape)[is_cell]
    return frame.with_columns(
        chart=pl.lit(chart.name, CHART_SCHEMA["chart"]),
        statistic=pl.Series(statistic, dtype=pl.Float64),
        center=pl.lit(0.0),
        lower=pl.Series(-limit, dtype=pl.Float64),
        upper=pl.Series(limit, dtype=pl.Float64),
        is_out_of_control=pl.Series(np.abs(statistic) > limit, dtype=pl.Boolean),
    ).select(list(CHART_SCHEMA))
