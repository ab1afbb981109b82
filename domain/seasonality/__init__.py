"""Seasonal periods found in the data, for all series at once, and the regular grid they are found on.

Serves baselines, forecasts and capacity: they read the periods, they do not look for them.
"""

from domain.seasonality.peak_periods import PEAK_PERIODS_SCHEMA, compute_peak_periods
from domain.seasonality.periods import SEASONALITY_SCHEMA, compute_grid_periods, find_seasonality
from domain.seasonality.regular_grid import RegularGrid, build_regular_grid

__all__ = [
    "PEAK_PERIODS_SCHEMA",
    "SEASONALITY_SCHEMA",
    "RegularGrid",
    "build_regular_grid",
    "compute_grid_periods",
    "compute_peak_periods",
    "find_seasonality",
]
