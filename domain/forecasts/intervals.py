"""Prediction intervals from the residuals of the backtest, so that their coverage is measured and not assumed.

Method: split conformal with a profile. |residual| grows with the step ahead; the profile of that growth is shared by the
series of one call (shrunk to flat when they are few), the width is the quantile of the series' own scaled residuals,
averaged with the quantile of all. Reference: Angelopoulos & Bates, A Gentle Introduction to Conformal Prediction, 2021.
"""

from __future__ import annotations

import numpy as np

from domain.forecasts.selection import nan_mean
from domain.seasonality.regular_grid import Floats

#: Rows at which the shared profile weighs as much as a flat one.
PROFILE_SHRINKAGE = 5


def compute_half_widths(residuals: Floats, level: float) -> Floats:
    """(rows, horizon) distance from the forecast to either end of the interval.

    Args:
        residuals: (origins, rows, horizon), NaN where not measured; a row without any gets NaN widths.
        level: share of future values that should lie inside, between 0 and 1.
    """
    absolute = np.abs(residuals)
    size = nan_mean(absolute, (0, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(size[None, :, None] > 0, absolute / size[None, :, None], np.nan)
    profile = _compute_profile(relative)
    scaled = (absolute / profile).swapaxes(0, 1).reshape(len(size), -1)
    own = _quantile(scaled, level)
    everywhere = (relative / profile).reshape(-1)
    everywhere = everywhere[np.isfinite(everywhere)]
    pooled = np.quantile(everywhere, level) * size if everywhere.size else own
    return np.asarray(0.5 * (own + pooled)[:, None] * profile)


def compute_coverage(residuals: Floats, level: float) -> Floats:
    """(rows,) share of backtest values inside the interval built from the other origins; NaN with one origin."""
    inside = np.full(residuals.shape, np.nan)
    for origin in range(len(residuals)):
        width = compute_half_widths(np.delete(residuals, origin, axis=0), level)
        known = np.isfinite(residuals[origin]) & np.isfinite(width)
        inside[origin] = np.where(known, np.abs(residuals[origin]) <= width, np.nan)
    return nan_mean(inside, (0, 2))


def _compute_profile(relative: Floats) -> Floats:
    """(horizon,) mean relative error per step ahead, smoothed over three steps, of mean 1."""
    mean = nan_mean(relative, (0, 1))
    mean = np.where(np.isfinite(mean), mean, 1.0)
    smooth = np.convolve(np.pad(mean, 1, mode="edge"), np.ones(3) / 3, mode="valid")
    rows = np.isfinite(relative).any(axis=(0, 2)).sum()
    share = rows / (rows + PROFILE_SHRINKAGE)
    profile = share * smooth + (1 - share)
    return np.asarray(np.maximum(profile / profile.mean(), 0.05))


def _quantile(scaled: Floats, level: float) -> Floats:
    """Row-wise quantile of what is not NaN."""
    ordered = np.sort(scaled, axis=1)
    count = np.isfinite(scaled).sum(axis=1)
    rank = np.clip(np.ceil(level * (count + 1)).astype(np.int64) - 1, 0, np.maximum(count - 1, 0))
    picked = np.take_along_axis(ordered, rank[:, None], axis=1)[:, 0]
    return np.where(count > 0, picked, np.nan)
