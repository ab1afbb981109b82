"""Points of many series in, forecasts with intervals, backtest scores and refusals out. The one entry of this stage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from domain.errors import ConfigurationError
from domain.forecasts.backtest import compute_needed, run_backtest
from domain.forecasts.bounds import hold_in_bounds
from domain.forecasts.intervals import compute_coverage, compute_half_widths
from domain.forecasts.panel import ForecastModel, Panel
from domain.forecasts.registry import DEFAULT_MODELS, choose_models
from domain.forecasts.selection import nan_mean, select
from domain.forecasts.tables import FORECASTS_SCHEMA, SCORES_SCHEMA, tabulate_forecasts, tabulate_scores
from domain.progress import Progress, ignore_progress
from domain.seasonality import RegularGrid, build_regular_grid, compute_grid_periods
from domain.seasonality.periods import calendar_periods
from domain.seasonality.regular_grid import REFUSED_SCHEMA, Bools, Floats
from domain.signals import TIMESTAMP

#: Series forecast in one batch; bounds memory, not the answer.
BATCH_SERIES = 500
MIN_COLUMNS = 1200
MAX_PERIODS = 3
CYCLES_KEPT = 5


@dataclass(frozen=True, slots=True)
class ForecastResult:
    """The answer.

    Attributes:
        forecasts: FORECASTS_SCHEMA, `horizon` rows per series, steps from 1.
        scores: SCORES_SCHEMA, one row per series and model and one for the blend; coverage only of the chosen one.
        refused: series_id and reason of the series without a forecast.
    """

    forecasts: pl.DataFrame
    scores: pl.DataFrame
    refused: pl.DataFrame


def forecast_series(
    points: pl.DataFrame,
    *,
    horizon: int,
    level: float = 0.8,
    models: Sequence[str] = DEFAULT_MODELS,
    as_of: datetime | None = None,
    on_progress: Progress = ignore_progress,
) -> ForecastResult:
    """Forecast every series `horizon` steps of its own step ahead.

    Args:
        points: series_id, captured_at, metric_value in any order; gaps, duplicates and NaN by the rules of the grid.
        level: share of future values the interval should hold.
        models: names of MODEL_FAMILIES.
        as_of: points after it are not seen; it becomes `computed_at`, which is else the newest point of all.
        on_progress: called with (series done, series in all).

    Returns:
        Empty frames when there are no points; series with too little history are in `refused`, with what they lack.

    Raises:
        ConfigurationError: horizon below 1, level outside (0, 1), unknown model.
    """
    if horizon < 1 or not 0 < level < 1:
        raise ConfigurationError(
            f"horizon {horizon} or level {level} is out of range",
            suggestion="a horizon is 1 or more steps, a level lies between 0 and 1, such as 0.8",
        )
    chosen = choose_models(models)
    seen = points if as_of is None else points.filter(pl.col("captured_at") <= as_of)
    computed_at = as_of or seen["captured_at"].max()
    forecasts, scores, refused = [], [], []
    ids = seen["series_id"].unique().sort()
    for start in range(0, len(ids), BATCH_SERIES):
        batch = seen.filter(pl.col("series_id").is_in(ids[start : start + BATCH_SERIES].implode()))
        grid = build_regular_grid(batch)
        long_enough, short = _refuse_short(grid, horizon)
        refused += [grid.refused, short]
        for panel, part in _group(long_enough):
            found, scored = _forecast_group(panel, part, chosen, horizon=horizon, level=level)
            forecasts.append(found)
            scores.append(scored)
        on_progress(min(start + BATCH_SERIES, len(ids)), len(ids))
    stamped = pl.concat(forecasts or [pl.DataFrame(schema=FORECASTS_SCHEMA).drop("computed_at")]).with_columns(
        computed_at=pl.lit(computed_at, TIMESTAMP)
    )
    return ForecastResult(
        forecasts=stamped.select(*FORECASTS_SCHEMA).sort("series_id", "step"),
        scores=pl.concat([pl.DataFrame(schema=SCORES_SCHEMA), *scores]).sort("series_id", "model"),
        refused=pl.concat([pl.DataFrame(schema=REFUSED_SCHEMA), *refused]).sort("series_id"),
    )


def _refuse_short(grid: RegularGrid, horizon: int) -> tuple[RegularGrid, pl.DataFrame]:
    lengths = grid.lengths
    needed = compute_needed(lengths, horizon)
    is_short = lengths < needed
    reasons = pl.DataFrame({"series_id": grid.series_id[is_short], "has": lengths[is_short], "needs": needed[is_short]})
    text = pl.format(
        "not enough history: {} steps, at least {} are needed for a horizon of {}", "has", "needs", pl.lit(horizon)
    )
    return grid.rows(~is_short), reasons.select("series_id", reason=text)


def _group(grid: RegularGrid) -> Iterator[tuple[Panel, RegularGrid]]:
    """Series of one step and the same periods together."""
    keys = pl.DataFrame(
        {"step": grid.step_s, "periods": _choose_periods(grid)}, schema_overrides={"periods": pl.List(pl.Int64)}
    )
    keys = keys.with_row_index("row").group_by("step", "periods", maintain_order=True).agg("row")
    for step_s, periods, rows in keys.iter_rows():
        mask: Bools = np.zeros(len(grid.series_id), dtype=bool)
        mask[rows] = True
        part = grid.rows(mask, columns=max(MIN_COLUMNS, CYCLES_KEPT * max(periods, default=0)))
        yield Panel(part.values, part.observed, tuple(periods), step_s), part


def _choose_periods(grid: RegularGrid) -> list[list[int]]:
    """The found periods and the calendar's, because the backtest drops a season that is none; at most MAX_PERIODS."""
    found, _ = compute_grid_periods(grid)
    return [
        sorted({*row[row > 0].tolist(), *calendar_periods(float(step_s), int(length))[:2]})[:MAX_PERIODS]
        for row, length, step_s in zip(found, grid.lengths, grid.step_s, strict=True)
    ]


def _forecast_group(
    panel: Panel, grid: RegularGrid, models: Sequence[ForecastModel], *, horizon: int, level: float
) -> tuple[pl.DataFrame, pl.DataFrame]:
    backtest = run_backtest(panel, models, horizon)
    selection = select(backtest, _compute_scale(panel))
    width = compute_half_widths(selection.residuals, level)
    centre, lower, upper = hold_in_bounds(panel.values, selection.forecast, width)
    coverage = compute_coverage(selection.residuals, level)
    scores = tabulate_scores(grid, selection, coverage, backtest.valid.sum(axis=0))
    return tabulate_forecasts(grid, selection, centre, lower=lower, upper=upper), scores


def _compute_scale(panel: Panel) -> Floats:
    period = panel.periods[0] if panel.periods else 1
    return np.nan_to_num(nan_mean(np.abs(panel.values[:, period:] - panel.values[:, :-period]), (1,)))
