"""Taking the memory out of residuals: each series' own autoregression, so that what is left is news.

A chart that assumes independent points cries wolf on a series that remembers; its innovations are independent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_ORDER = 3
#: A point is remembered up to this many times as far from the median as the 0.5 % outermost on its side: one wild point must
#: not hide what the rest does.
OUTERMOST_SHARE, REACH = 0.005, 2.0


@dataclass(frozen=True, slots=True)
class Autoregression:
    """One row per series: level (S,), weights (S, MAX_ORDER) with zeros beyond its order, and the range (S,) of memory."""

    level: Floats
    weights: Floats
    lowest: Floats
    highest: Floats


def fit_autoregression(reference: Floats, sizes: Ints) -> Autoregression:
    """Yule-Walker by the Levinson-Durbin recursion, orders 0 to MAX_ORDER, the one with the least BIC per series.

    Args:
        reference: [series, time], oldest first, NaN after the end of a shorter one.
        sizes: (S,) filled cells of each row, at least one.

    """
    ordered, outermost = np.sort(reference, axis=1), (sizes * OUTERMOST_SHARE).astype(np.int64)
    at = np.column_stack([outermost, (sizes - 1) // 2, sizes - 1 - outermost])
    low, middle, high = np.split(np.take_along_axis(ordered, at, axis=1), 3, axis=1)
    lowest, highest = middle + REACH * (low - middle), middle + REACH * (high - middle)
    calm = np.clip(reference, lowest, highest)
    level = np.nansum(calm, axis=1, keepdims=True) / sizes[:, None]
    centred = np.nan_to_num(calm - level)
    covariances = [
        np.einsum("st,st->s", centred[:, lag:], centred[:, : centred.shape[1] - lag]) / sizes
        for lag in range(MAX_ORDER + 1)
    ]
    return Autoregression(level[:, 0], _solve(covariances, sizes), lowest[:, 0], highest[:, 0])


def compute_innovations(values: Floats, model: Autoregression) -> Floats:
    """[series, time - MAX_ORDER]: what the points before do not foretell; the first MAX_ORDER columns are memory only."""
    memory = np.clip(values, model.lowest[:, None], model.highest[:, None]) - model.level[:, None]
    news: Floats = values[:, MAX_ORDER:] - model.level[:, None]
    for lag in range(1, MAX_ORDER + 1):
        news = news - model.weights[:, lag - 1 : lag] * memory[:, MAX_ORDER - lag : -lag]
    return news


def _solve(covariances: list[Floats], sizes: Ints) -> Floats:
    weights = np.zeros((sizes.size, 0))
    best = np.zeros((sizes.size, MAX_ORDER))
    variance = np.maximum(covariances[0], np.finfo(float).tiny)
    criterion = sizes * np.log(variance)
    for order in range(1, MAX_ORDER + 1):
        foretold = sum((weights[:, j] * covariances[order - 1 - j] for j in range(order - 1)), np.zeros(sizes.size))
        partial = np.clip((covariances[order] - foretold) / variance, -0.9999, 0.9999)
        weights = np.column_stack([weights - partial[:, None] * weights[:, ::-1], partial])
        variance = np.maximum(variance * (1 - partial**2), np.finfo(float).tiny)
        with_order = sizes * np.log(variance) + order * np.log(sizes)
        is_better = with_order < criterion
        criterion = np.where(is_better, with_order, criterion)
        padded = np.pad(weights, ((0, 0), (0, MAX_ORDER - order)))
        best = np.where(is_better[:, None], padded, best)
    return best
