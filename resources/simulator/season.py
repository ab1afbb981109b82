"""Seasons: how busy the estate is at an instant, by hour of day and day of week, with growth. Mean about one."""

from __future__ import annotations

import numpy as np

from resources.simulator.grid import Floats

WEEKDAY = np.array([1.12, 1.16, 1.14, 1.10, 1.05, 0.62, 0.55])  # Monday first
DAY_S = 86_400.0


def compute_business_season(times_s: Floats) -> Floats:
    """Interactive traffic: two humps in office hours, quiet nights and weekends."""
    hour = (times_s % DAY_S) / 3600.0
    morning = np.exp(-(((hour - 10.5) / 2.6) ** 2))
    afternoon = 0.85 * np.exp(-(((hour - 15.5) / 2.8) ** 2))
    evening = 0.25 * np.exp(-(((hour - 20.0) / 2.0) ** 2))
    shape: Floats = (0.28 + 1.55 * (morning + afternoon + evening)) * _weekday_factor(times_s)
    return shape


def compute_batch_season(times_s: Floats) -> Floats:
    """Rows moved by ETL loaders: follows business with a night batch at two in the morning."""
    hour = (times_s % DAY_S) / 3600.0
    night = 0.9 * np.exp(-(((hour - 2.0) / 1.1) ** 2))
    shape: Floats = 0.45 * compute_business_season(times_s) + 0.45 + night
    return shape


def _weekday_factor(times_s: Floats) -> Floats:
    """Interpolated between noons, so that midnight makes no step."""
    position = times_s / DAY_S + 3.0 - 0.5  # 1970-01-01 was a Thursday
    left = np.floor(position).astype(np.int64)
    share = position - left
    factor: Floats = WEEKDAY[left % 7] * (1 - share) + WEEKDAY[(left + 1) % 7] * share
    return factor
