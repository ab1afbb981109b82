"""The frames of a forecast: their columns, and the arrays of the estimators laid into them."""

from __future__ import annotations

import numpy as np
import polars as pl

from domain.forecasts.selection import Selection
from domain.seasonality.regular_grid import Floats, Ints, RegularGrid
from domain.signals import TIMESTAMP

FORECASTS_SCHEMA: dict[str, pl.DataType] = {
    "series_id": pl.Int64(),
    "computed_at": TIMESTAMP,
    "model": pl.String(),
    "step": pl.Int64(),
    "forecast_at": TIMESTAMP,
    "forecast": pl.Float64(),
    "lower": pl.Float64(),
    "upper": pl.Float64(),
}
SCORES_SCHEMA: dict[str, pl.DataType] = {
    "series_id": pl.Int64(),
    "model": pl.String(),
    "mase": pl.Float64(),
    "smape": pl.Float64(),
    "coverage": pl.Float64(),
    "origins": pl.Int64(),
    "weight": pl.Float64(),
    "is_chosen": pl.Boolean(),
}


def tabulate_forecasts(
    grid: RegularGrid, selection: Selection, centre: Floats, *, lower: Floats, upper: Floats
) -> pl.DataFrame:
    """FORECASTS_SCHEMA without computed_at, one row per series and step."""
    rows, horizon = centre.shape
    step = np.tile(np.arange(1, horizon + 1), rows)
    at_us = np.repeat(grid.last_at_us, horizon) + np.round(step * np.repeat(grid.step_s, horizon) * 1e6).astype(
        np.int64
    )
    names = np.array(selection.names, dtype=object)[selection.chosen]
    return pl.DataFrame(
        {
            "series_id": np.repeat(grid.series_id, horizon),
            "model": pl.Series(np.repeat(names, horizon), dtype=pl.String),
            "step": step,
            "forecast_at": pl.Series(at_us).cast(TIMESTAMP),
            "forecast": centre.ravel(),
            "lower": lower.ravel(),
            "upper": upper.ravel(),
        }
    )


def tabulate_scores(grid: RegularGrid, selection: Selection, coverage: Floats, origins: Ints) -> pl.DataFrame:
    """SCORES_SCHEMA, one row per series and model, the blend included; what was not measured is null."""
    models, rows = selection.mase.shape
    is_chosen = np.arange(models)[:, None] == selection.chosen[None, :]
    frame = pl.DataFrame(
        {
            "series_id": np.tile(grid.series_id, models),
            "model": pl.Series(np.repeat(np.array(selection.names, dtype=object), rows), dtype=pl.String),
            "mase": selection.mase.ravel(),
            "smape": selection.smape.ravel(),
            "coverage": np.where(is_chosen, coverage, np.nan).ravel(),
            "origins": np.tile(origins, models),
            "weight": np.vstack([selection.weights, np.full((1, rows), np.nan)]).ravel(),
            "is_chosen": is_chosen.ravel(),
        },
        schema=SCORES_SCHEMA,
    )
    return frame.with_columns(pl.col("mase", "smape", "coverage", "weight").fill_nan(None))
