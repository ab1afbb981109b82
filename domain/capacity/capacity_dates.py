"""Points and limits in, dates out: when each gauge reaches its limit, with interval, probability and advice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from domain.capacity.first_passage import Passage, find_first_steps, summarise
from domain.capacity.growth import compute_slope
from domain.capacity.levels import Levels, fold_levels, select_rows
from domain.capacity.paths import PATHS, draw_drifting, draw_modelled
from domain.capacity.recommendation import add_recommendation, compute_peak_use
from domain.capacity.resets import compute_envelope
from domain.errors import ConfigurationError
from domain.progress import Progress, ignore_progress
from domain.seasonality.regular_grid import REFUSED_SCHEMA, Floats, Ints
from domain.signals import TIMESTAMP

CAPACITY_SCHEMA: dict[str, pl.DataType] = {
    "series_id": pl.Int64(),
    "computed_at": TIMESTAMP,
    "current": pl.Float64(),
    "limit_value": pl.Float64(),
    "reaches_at": TIMESTAMP,
    "lower": TIMESTAMP,
    "upper": TIMESTAMP,
    "growth_per_day": pl.Float64(),
    "probability": pl.Float64(),
    "recommendation": pl.String(),
    "capacity_factor": pl.Float64(),
    "recommend_at": TIMESTAMP,
}
DEFAULT_HORIZON_DAYS = 45.0
DEFAULT_LEAD_TIME_DAYS = 14.0
#: Nothing is said about a future longer than this many times the history.
MAX_HORIZON_PER_HISTORY = 3


@dataclass(frozen=True, slots=True)
class CapacityResult:
    """The answer.

    Attributes:
        dates: CAPACITY_SCHEMA, one row per gauge; reaches_at is null where the limit is not reached within the horizon.
        refused: series_id and reason of the gauges without an answer.
    """

    dates: pl.DataFrame
    refused: pl.DataFrame


@dataclass(frozen=True, slots=True)
class _Outlook:
    passage: Passage
    expected_peak: Floats


def compute_capacity(
    points: pl.DataFrame,
    limits: pl.DataFrame | float,
    *,
    horizon_days: float = DEFAULT_HORIZON_DAYS,
    level: float = 0.8,
    as_of: datetime | None = None,
    on_progress: Progress = ignore_progress,
) -> CapacityResult:
    """When each gauge first is at or above its limit.

    Args:
        points: series_id, captured_at, metric_value in any order; raw values or rollups (use the maximum).
        limits: series_id, limit_value and optional lead_time_days, or one limit for all. A gauge without a limit is refused.
        horizon_days: how far to look, at most three times the history of a gauge.
        level: share of the simulated futures inside lower..upper.
        as_of: points after it are not seen; it becomes `computed_at`, which is else the newest point of all.
        on_progress: called with (gauges done, gauges in all), each counted for either sort of paths.

    Returns:
        Empty frames when there are no points. growth_per_day is a robust slope over 30 bins, in units of the gauge.

    Raises:
        ConfigurationError: horizon not above 0, or level outside (0, 1).
    """
    if not horizon_days > 0 or not 0 < level < 1:
        raise ConfigurationError(
            f"horizon {horizon_days} days or level {level} is out of range",
            suggestion="a horizon is longer than 0 days, a level lies between 0 and 1, such as 0.8",
        )
    seen = points if as_of is None else points.filter(pl.col("captured_at") <= as_of)
    computed_at = as_of or seen["captured_at"].max()
    levels = fold_levels(seen)
    known, without_limit = _attach_limits(levels, limits)
    levels = select_rows(levels, np.isin(levels.series_id, known["series_id"].to_numpy()))
    limit = known["limit_value"].to_numpy()
    envelope = compute_envelope(levels.values)
    horizon = _choose_horizons(levels, horizon_days)
    distance = limit - envelope[:, -1] if len(envelope) else limit
    outlook = _simulate(envelope, levels, distance, horizon=horizon, level=level, on_progress=on_progress)
    dates = _tabulate(levels, known, outlook).with_columns(computed_at=pl.lit(computed_at, TIMESTAMP))
    return CapacityResult(
        dates=add_recommendation(dates).select(*CAPACITY_SCHEMA).cast(dict(CAPACITY_SCHEMA)),  # type: ignore[arg-type]
        refused=pl.concat([pl.DataFrame(schema=REFUSED_SCHEMA), levels.refused, without_limit]).sort("series_id"),
    )


def _attach_limits(levels: Levels, limits: pl.DataFrame | float) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(series_id, limit_value, lead_time_days) of the gauges with a limit, and the refusal of the others."""
    ids = pl.DataFrame({"series_id": levels.series_id}, schema={"series_id": pl.Int64})
    if isinstance(limits, pl.DataFrame):
        joined = ids.join(limits.unique("series_id", keep="last"), on="series_id", how="left").sort("series_id")
    else:
        joined = ids.with_columns(limit_value=pl.lit(float(limits)))
    if "lead_time_days" not in joined.columns:
        joined = joined.with_columns(lead_time_days=pl.lit(None, pl.Float64))
    joined = joined.with_columns(pl.col("lead_time_days").fill_null(DEFAULT_LEAD_TIME_DAYS))
    has_limit = pl.col("limit_value").is_finite().fill_null(value=False)
    refused = joined.filter(~has_limit).select("series_id", reason=pl.lit("no limit is known for this series"))
    return joined.filter(has_limit).select("series_id", "limit_value", "lead_time_days"), refused


def _choose_horizons(levels: Levels, horizon_days: float) -> Ints:
    wanted = np.ceil(horizon_days * 86_400 / levels.bin_s - 1e-9)
    return np.asarray(np.clip(wanted, 1, MAX_HORIZON_PER_HISTORY * levels.lengths), dtype=np.int64)


def _simulate(
    envelope: Floats, levels: Levels, distance: Floats, *, horizon: Ints, level: float, on_progress: Progress
) -> _Outlook:
    """Simulate in groups of one horizon; a gauge's drifting and modelled paths weigh the same in sum."""
    steps = np.full((len(envelope), 2 * PATHS), np.inf)
    weights = np.zeros((len(envelope), 2 * PATHS))
    peak, done = np.zeros(len(envelope)), 0
    for length in np.unique(horizon):
        group = np.flatnonzero(horizon == length)
        drawn = (
            (slice(0, PATHS), draw_drifting(envelope[group], int(length))),
            (slice(PATHS, None), draw_modelled(envelope[group], levels.bin_s[group], horizon=int(length))),
        )
        for columns, batches in drawn:
            for rows, paths in batches:
                steps[group[rows], columns] = find_first_steps(paths, distance[group[rows]])
                weights[group[rows], columns] = 1.0
                peak[group[rows]] = np.maximum(peak[group[rows]], _expected_peak(paths))
                done += len(rows)
                on_progress(done, 2 * len(envelope))
    if not weights[:, PATHS:].any():
        steps, weights = steps[:, :PATHS], weights[:, :PATHS]
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1.0)
    last = envelope[:, -1] if len(envelope) else np.zeros(0)
    return _Outlook(summarise(steps, weights, level=level), last + peak)


def _expected_peak(paths: npt.NDArray[np.floating[Any]]) -> Floats:
    """(rows,) the rise that nine in ten paths stay below."""
    highest = paths.max(axis=2)
    rank = int(0.9 * highest.shape[1])
    return np.asarray(np.partition(highest, rank, axis=1)[:, rank])


def _tabulate(levels: Levels, known: pl.DataFrame, outlook: _Outlook) -> pl.DataFrame:
    passage, limit = outlook.passage, known["limit_value"].to_numpy()
    is_above = levels.current >= limit

    def instant(steps: Floats) -> pl.Series:
        after_us = np.where(is_above, 0.0, steps * levels.bin_s * 1e6)
        at_us = np.where(np.isfinite(after_us), levels.last_at_us + np.nan_to_num(after_us), np.nan)
        return pl.Series(at_us).fill_nan(None).cast(pl.Int64).cast(TIMESTAMP)

    return known.with_columns(
        current=pl.Series(levels.current),
        reaches_at=instant(passage.step),
        lower=instant(passage.lower),
        upper=instant(passage.upper),
        growth_per_day=pl.Series(compute_slope(levels.values) * 86_400 / levels.bin_s),
        probability=pl.Series(np.where(is_above, 1.0, passage.probability)),
        peak_use=pl.Series(compute_peak_use(levels.values, levels.bin_s)),
        expected_peak=pl.Series(outlook.expected_peak),
    )
