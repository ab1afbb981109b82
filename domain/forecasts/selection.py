"""From the backtest to one forecast per series: a blend weighted by past errors, or one model where it is clearly better.

Weights are proportional to (mean absolute error)^-4 of the backtest. The blend's own error is measured with weights that
did not see the origin in question. Formula of MASE and sMAPE: Makridakis, Spiliotis & Assimakopoulos, IJF 36(1), 2020.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from domain.forecasts.backtest import Backtest
from domain.seasonality.regular_grid import Bools, Floats, Ints

WEIGHT_POWER = 4
#: One model replaces the blend when its error is below this share of the blend's.
CLEARLY_BETTER = 0.7
BLEND = "blend"


@dataclass(frozen=True, slots=True)
class Selection:
    """The choice per row.

    Attributes:
        names: models, the blend last.
        chosen: (rows,) index into names.
        weights: (models, rows) share of each model in the blend.
        forecast: (rows, horizon) of the chosen one.
        residuals: (origins, rows, horizon) actual minus backtest prediction of the chosen one; NaN where not measured.
        mase, smape: (models + 1, rows) mean over the backtest; NaN where undefined.
    """

    names: tuple[str, ...]
    chosen: Ints
    weights: Floats
    forecast: Floats
    residuals: Floats
    mase: Floats
    smape: Floats


def select(backtest: Backtest, scale: Floats) -> Selection:
    """Blend or choose per row.

    Args:
        scale: (rows,) mean absolute seasonal difference of the history, the denominator of MASE; 0 gives NaN.
    """
    measured = backtest.valid[..., None] & np.isfinite(backtest.actuals)
    error = np.where(measured, np.abs(backtest.predictions - backtest.actuals), np.nan)
    has_answer = np.asarray(np.isfinite(backtest.forecasts).all(axis=2))
    blended = np.stack([_blend_without(backtest, error, has_answer, origin) for origin in range(len(measured))])
    predictions = np.concatenate([backtest.predictions, blended[None]])
    absolute = np.where(measured, np.abs(predictions - backtest.actuals), np.nan)
    size = np.abs(predictions) + np.abs(backtest.actuals)
    relative = np.where(measured, 200 * np.abs(predictions - backtest.actuals) / np.where(size > 0, size, 1.0), np.nan)
    mean_error = nan_mean(absolute, (1, 3))
    weights = _compute_weights(nan_mean(error, (1, 3)), has_answer)
    chosen = _choose(mean_error, has_answer)
    rows = np.arange(len(chosen))
    now = np.concatenate([backtest.forecasts, _mix(weights[:, :, None], backtest.forecasts)[None]])
    residuals = np.where(measured, backtest.actuals - predictions[chosen, :, rows].swapaxes(0, 1), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        mase = np.where(scale > 0, mean_error / scale, np.nan)
    names = (*backtest.models, BLEND)
    return Selection(names, chosen, weights, now[chosen, rows], residuals, mase, nan_mean(relative, (1, 3)))


def nan_mean(values: Floats, axes: tuple[int, ...]) -> Floats:
    """Mean over the axes of what is not NaN; NaN, without a warning, where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=axes)
    total = np.where(known, values, 0.0).sum(axis=axes)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _blend_without(backtest: Backtest, error: Floats, has_answer: Bools, origin: int) -> Floats:
    others = np.delete(error, origin, axis=1)
    seen = nan_mean(others, (1, 3))
    everything = nan_mean(error, (1, 3))
    weights = _compute_weights(np.where(np.isfinite(seen), seen, everything), has_answer)
    return _mix(weights[:, :, None], backtest.predictions[:, origin])


def _compute_weights(error: Floats, has_answer: Bools) -> Floats:
    usable = has_answer & np.isfinite(error)
    best = np.where(usable, error, np.inf).min(axis=0, keepdims=True)
    floor = np.where(np.isfinite(best) & (best > 0), best, 1.0)
    ratio = np.where(usable, error, np.inf) / floor
    power = np.maximum(ratio, 1e-6) ** -float(WEIGHT_POWER)
    power = np.where(usable.any(axis=0), power, has_answer)
    return np.asarray(power / np.maximum(power.sum(axis=0, keepdims=True), 1e-300))


def _mix(weights: Floats, forecasts: Floats) -> Floats:
    return np.asarray((weights * np.where(weights > 0, forecasts, 0.0)).sum(axis=0))


def _choose(mean_error: Floats, has_answer: Bools) -> Ints:
    single = np.where(has_answer, mean_error[:-1], np.inf)
    single = np.where(np.isfinite(single), single, np.inf)
    best = single.argmin(axis=0)
    is_clear = single.min(axis=0) < CLEARLY_BETTER * mean_error[-1]
    return np.where(is_clear, best, len(single))
