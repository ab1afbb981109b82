"""Which seasonal periods a series has: none, one, or two such as 24 and 168 hours. Data decide, the calendar proposes.

Method. A parabola is taken off. Candidates are the calendar's (day, week, year) and the highest peaks of the
autocorrelation function after a slow moving mean is taken off too. A candidate p is tested on the series minus its moving
mean of length p, a second one after the seasonal means of the first are gone; its strength is the autocorrelation at lag p,
which must pass both MIN_STRENGTH and twice its standard error, over three cycles or more. Of candidates about as strong the
shortest counts.
Reference: Hyndman & Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., ch. 2.8 and 3.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from domain.seasonality.autocorrelation import (
    compute_acf,
    compute_acf_at,
    subtract_curve,
    subtract_moving_mean,
    subtract_phase_means,
)
from domain.seasonality.regular_grid import Floats, Ints, RegularGrid, build_regular_grid

SEASONALITY_SCHEMA: dict[str, pl.DataType] = {
    "series_id": pl.Int64(),
    "period_s": pl.Float64(),
    "period_steps": pl.Int64(),
    "strength": pl.Float64(),
    "rank": pl.Int64(),
}
#: Day, week, year; a year is 365.25 days.
CALENDAR_S = (86_400.0, 604_800.0, 31_557_600.0)
MIN_CYCLES = 3
MIN_STRENGTH = 0.2
MIN_PERIOD_STEPS = 4
#: A shorter period is preferred when it has this share of the strength of the strongest.
SHORTER_SHARE = 0.6
MAX_PEAKS = 3


def find_seasonality(points: pl.DataFrame, *, step_s: float | None = None) -> pl.DataFrame:
    """Seasonal periods of every series in points (series_id, captured_at, metric_value).

    Returns:
        SEASONALITY_SCHEMA, the strongest period of a series with rank 1, at most two; strength in (0, 1]. A series without
        a season, or with fewer than three cycles of one, has no row.
    """
    grid = build_regular_grid(points, step_s=step_s)
    periods, strengths = compute_grid_periods(grid)
    row, rank = np.nonzero(periods)
    steps = periods[row, rank]
    columns = (grid.series_id[row], steps * grid.step_s[row], steps, strengths[row, rank], rank + 1)
    return pl.DataFrame(dict(zip(SEASONALITY_SCHEMA, columns, strict=True)), schema=SEASONALITY_SCHEMA)


def compute_grid_periods(grid: RegularGrid) -> tuple[Ints, Floats]:
    """(n, 2) periods in steps and their strengths, strongest first; 0 where there is none."""
    periods = np.zeros((len(grid.series_id), 2), dtype=np.int64)
    strengths = np.zeros((len(grid.series_id), 2))
    for step in np.unique(grid.step_s):
        mask = grid.step_s == step
        periods[mask], strengths[mask] = _find_for_step(grid.values[mask], float(step))
    return periods, strengths


def calendar_periods(step_s: float, length: int) -> list[int]:
    """Day, week and year in steps, where a step divides them well and `length` holds MIN_CYCLES of them."""
    steps = [round(span / step_s) for span in CALENDAR_S]
    return [p for p in steps if MIN_PERIOD_STEPS <= p <= length // MIN_CYCLES]


def _find_for_step(values: Floats, step_s: float) -> tuple[Ints, Floats]:
    calendar = calendar_periods(step_s, values.shape[1])
    values = subtract_curve(values)
    proposed = np.tile(np.array(calendar, dtype=np.int64), (len(values), 1))
    candidates = np.concatenate([proposed, _snap(_find_peaks(values), calendar)], axis=1)
    strength = _compute_strengths(values, candidates)
    first, first_strength = _pick_shortest(candidates, strength)
    rest = subtract_phase_means(subtract_moving_mean(values, first), first)
    longer = np.where((first[:, None] > 0) & (candidates >= 2 * first[:, None]), candidates, 0)
    second, second_strength = _pick_strongest(longer, _compute_strengths(rest, longer, beside=first))
    return np.stack([first, second], axis=1), np.stack([first_strength, second_strength], axis=1)


def _find_peaks(values: Floats) -> Ints:
    """(n, MAX_PEAKS + 1) lags of the earliest high and of the highest peaks of the autocorrelation; 0 for none."""
    longest = values.shape[1] // MIN_CYCLES
    if longest <= MIN_PERIOD_STEPS:
        return np.zeros((len(values), MAX_PEAKS + 1), dtype=np.int64)
    acf = compute_acf(subtract_moving_mean(values, np.full(len(values), longest)), longest + 1)
    middle = acf[:, 1:-1]
    is_peak = (middle > acf[:, :-2]) & (middle >= acf[:, 2:])
    is_peak[:, : MIN_PERIOD_STEPS - 1] = False
    height = np.where(is_peak, middle, -1.0)
    high = height > np.maximum(SHORTER_SHARE * height.max(axis=1, initial=0.0)[:, None], MIN_STRENGTH / 2)
    earliest = np.where(high.any(axis=1), high.argmax(axis=1) + 1, 0)
    top = np.argsort(-height, axis=1)[:, :MAX_PEAKS]
    highest = np.where(np.take_along_axis(height, top, axis=1) > MIN_STRENGTH / 2, top + 1, 0)
    return np.pad(np.column_stack([earliest, highest]), ((0, 0), (0, MAX_PEAKS - highest.shape[1])))


def _snap(peaks: Ints, calendar: list[int]) -> Ints:
    """A peak within 4 % of a calendar period is that period."""
    for period in calendar:
        peaks = np.where(np.abs(peaks - period) <= 0.04 * period, period, peaks)
    return peaks


def _compute_strengths(values: Floats, candidates: Ints, *, beside: Ints | None = None) -> Floats:
    """Strength of each candidate, 0 where it is none. With `beside`, it must also stand out from its lag neighbours."""
    strength = np.zeros(candidates.shape)
    lengths = (~np.isnan(values)).sum(axis=1)
    for column in range(candidates.shape[1]):
        period = candidates[:, column]
        flat = subtract_moving_mean(values, period if beside is None else 3 * period)
        found = compute_acf_at(flat, period)
        needed = np.maximum(MIN_STRENGTH, 2 / np.sqrt(np.maximum(lengths - period, 1)))
        if beside is not None:
            around = (compute_acf_at(flat, np.maximum(period - beside, 1)), compute_acf_at(flat, period + beside))
            needed = np.maximum(needed, np.maximum(*around))
        valid = (period >= MIN_PERIOD_STEPS) & (lengths >= MIN_CYCLES * period) & (found > needed)
        strength[:, column] = np.where(valid, np.minimum(found, 1.0), 0.0)
    return strength


def _pick_shortest(candidates: Ints, strength: Floats) -> tuple[Ints, Floats]:
    """Per row the shortest candidate with at least SHORTER_SHARE of the highest strength; 0 for none."""
    strong = (strength >= SHORTER_SHARE * strength.max(axis=1, initial=0.0)[:, None]) & (strength > 0)
    column = np.where(strong, candidates, np.iinfo(np.int64).max).argmin(axis=1)
    return _take(candidates, strength, column)


def _pick_strongest(candidates: Ints, strength: Floats) -> tuple[Ints, Floats]:
    return _take(candidates, strength, strength.argmax(axis=1))


def _take(candidates: Ints, strength: Floats, column: Ints) -> tuple[Ints, Floats]:
    pick = np.take_along_axis(strength, column[:, None], axis=1)[:, 0]
    period = np.take_along_axis(candidates, column[:, None], axis=1)[:, 0]
    return np.where(pick > 0, period, 0), pick
