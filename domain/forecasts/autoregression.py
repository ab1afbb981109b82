"""Ridge autoregression of many series in one linear-algebra call; the variants differ in lags, differencing and logarithm.

Formula. With z the standardised (differenced, logged) series: z(t) = c + Σ_l β_l z(t-l), β from ridge least squares with
penalty RIDGE per observation; forecasts are iterated, un-differenced and held within a margin around the recent range.
Reference: Doornik, Castle & Hendry, Card forecasts for M4, IJF 36(1), 2020 (autoregressions with daily and weekly lags).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from domain.forecasts.panel import Panel
from domain.seasonality.regular_grid import Bools, Floats, Ints

RIDGE = 1e-3
#: Standardised values are held within this: a series that has come to rest has a tiny spread and an enormous past.
MAX_SCORE = 1e3
#: Relative to the largest diagonal element, keeps the normal equations solvable in double precision.
JITTER = 1e-12
#: A fit needs this many observed targets per coefficient.
MIN_TARGETS_PER_COEFFICIENT = 2
#: Newest targets that enter a fit: more history than this changes little and costs time.
MAX_TARGETS = 2000
#: Floats in one design matrix; bounds the memory of a batch.
BATCH_FLOATS = 4_000_000
DEFAULT_SPAN = 52


@dataclass(frozen=True, slots=True)
class Autoregression:
    """One variant.

    Args:
        choose_lags: lags for the periods of the panel; an empty answer means that the variant does not apply.
        choose_difference: distance of the differences taken before the fit, 0 for none.
        is_log: works on logarithms; rows with a value of 0 or less get no answer.
    """

    name: str
    choose_lags: Callable[[tuple[int, ...]], tuple[int, ...]]
    choose_difference: Callable[[tuple[int, ...]], int]
    is_log: bool = False

    def forecast(self, panel: Panel, horizon: int) -> Floats:
        """See ForecastModel; NaN where the history is too short for the lags."""
        answer = np.full((len(panel.values), horizon), np.nan)
        lags = np.array(self.choose_lags(panel.periods), dtype=np.int64)
        difference = self.choose_difference(panel.periods)
        if lags.size == 0 or panel.values.shape[1] < lags.max() + difference + MIN_TARGETS_PER_COEFFICIENT * len(lags):
            return answer
        span = max(panel.periods, default=DEFAULT_SPAN)
        newest = MAX_TARGETS + int(lags.max()) + difference
        values, observed = panel.values[:, -newest:], panel.observed[:, -newest:]
        batch = max(1, BATCH_FLOATS // (values.shape[1] * (len(lags) + 1)))
        for start in range(0, len(values), batch):
            rows = slice(start, start + batch)
            answer[rows] = self._forecast_batch(
                values[rows], observed[rows], lags, difference=difference, span=span, horizon=horizon
            )
        return answer

    def _forecast_batch(
        self, values: Floats, observed: Bools, lags: Ints, *, difference: int, span: int, horizon: int
    ) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            series = np.log(values) if self.is_log else values
        usable = np.isfinite(series).sum(axis=1) == (~np.isnan(values)).sum(axis=1)
        series = np.where(usable[:, None], series, np.nan)
        steps = _difference(series, difference)
        mean, spread = _compute_scale(steps, span, keep_mean=difference == 0)
        z = np.clip((steps - mean) / spread, -MAX_SCORE, MAX_SCORE)
        coefficients, enough = _fit(z, observed, lags)
        path = _iterate(z, coefficients, lags, horizon) * spread + mean
        path = _hold_in_range(_undo_difference(series, path, difference), series, span, horizon)
        path = np.exp(path) if self.is_log else path
        return np.where((usable & enough)[:, None], path, np.nan)


def _difference(series: Floats, distance: int) -> Floats:
    if distance == 0:
        return series
    return np.pad(series[:, distance:] - series[:, :-distance], ((0, 0), (distance, 0)), constant_values=np.nan)


def _compute_scale(series: Floats, span: int, *, keep_mean: bool) -> tuple[Floats, Floats]:
    """Centre and size of the newest `span` cells: mean and deviation, or 0 and root mean square (differences keep drift)."""
    recent = series[:, -span:]
    known = np.isfinite(recent)
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    mean = np.where(known, recent, 0.0).sum(axis=1, keepdims=True) / count
    centre = mean if keep_mean else np.zeros_like(mean)
    spread = np.sqrt((np.where(known, recent - centre, 0.0) ** 2).sum(axis=1, keepdims=True) / count)
    floor = np.maximum(1e-9 * np.where(np.isfinite(series), np.abs(series), 0.0).max(axis=1, keepdims=True), 1e-12)
    return centre, np.maximum(spread, floor)


def _fit(z: Floats, observed: Bools, lags: Ints) -> tuple[Floats, Bools]:
    """(rows, lags + 1) coefficients, the constant last, and whether a row had enough observed targets."""
    longest, length = int(lags.max()), z.shape[1]
    design = np.stack([z[:, longest - lag : length - lag] for lag in lags] + [np.ones_like(z[:, longest:])], axis=2)
    target = z[:, longest:]
    valid = np.isfinite(design).all(axis=2) & np.isfinite(target) & observed[:, longest:]
    design = np.where(valid[..., None], design, 0.0)
    count = valid.sum(axis=1)
    gram = np.matmul(design.transpose(0, 2, 1), design)
    moment = np.matmul(design.transpose(0, 2, 1), np.where(valid, target, 0.0)[..., None])
    penalty = np.append(np.full(len(lags), RIDGE), RIDGE * 1e-3)
    diagonal = np.arange(len(lags) + 1)
    gram[:, diagonal, diagonal] += penalty * count[:, None] + 1e-9
    gram[:, diagonal, diagonal] += JITTER * gram[:, diagonal, diagonal].max(axis=1, keepdims=True)
    return np.linalg.solve(gram, moment)[..., 0], count >= MIN_TARGETS_PER_COEFFICIENT * len(lags)


def _iterate(z: Floats, coefficients: Floats, lags: Ints, horizon: int) -> Floats:
    longest = int(lags.max())
    path = np.concatenate([np.nan_to_num(z[:, -longest:]), np.zeros((len(z), horizon))], axis=1)
    for step in range(horizon):
        value = (path[:, longest + step - lags] * coefficients[:, :-1]).sum(axis=1) + coefficients[:, -1]
        path[:, longest + step] = np.clip(value, -1e6, 1e6)
    return path[:, longest:]


def _undo_difference(series: Floats, path: Floats, distance: int) -> Floats:
    if distance == 0:
        return path
    cycles = -(-path.shape[1] // distance)
    padded = np.pad(path, ((0, 0), (0, cycles * distance - path.shape[1])))
    sums = padded.reshape(len(path), cycles, distance).cumsum(axis=1)
    return (sums + series[:, None, -distance:]).reshape(len(path), -1)[:, : path.shape[1]]


def _hold_in_range(path: Floats, series: Floats, span: int, horizon: int) -> Floats:
    recent = series[:, -4 * span :]
    low = np.where(np.isnan(recent), np.inf, recent).min(axis=1, keepdims=True)
    high = np.where(np.isnan(recent), -np.inf, recent).max(axis=1, keepdims=True)
    margin = max(0.5, horizon / (4 * span)) * np.where(high >= low, high - low, 0.0)
    return np.clip(path, np.where(high >= low, low - margin, -1e300), np.where(high >= low, high + margin, 1e300))
