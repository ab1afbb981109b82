"""What a history forbids: a forecast below zero of what never was, or a fall of what only ever rose."""

from __future__ import annotations

import numpy as np

from domain.seasonality.regular_grid import Floats


def hold_in_bounds(values: Floats, forecast: Floats, width: Floats) -> tuple[Floats, Floats, Floats]:
    """Forecast, lower and upper end (each (rows, horizon)), made to respect the history.

    Histories without a negative value stay at 0 or above; histories that never fell and did rise (counters without a
    reset) do not fall. Everything else is passed through.
    """
    lowest = np.where(np.isnan(values), 0.0, values).min(axis=1, keepdims=True)
    floor = np.where(lowest >= 0, 0.0, -np.inf)
    change = np.diff(values, axis=1)
    never_falls = ~np.any(change < 0, axis=1, keepdims=True) & np.any(change > 0, axis=1, keepdims=True)
    floor = np.where(never_falls, values[:, -1:], floor)
    ends = [np.maximum(end, floor) for end in (forecast, forecast - width, forecast + width)]
    rising = [np.where(never_falls, np.maximum.accumulate(end, axis=1), end) for end in ends]
    return rising[0], rising[1], rising[2]
