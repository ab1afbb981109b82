"""Rolling-origin backtest: every model forecasts from several past instants, all series and origins in one batch.

An origin is a row: the history cut there and moved to the right edge. So a model needs no notion of backtesting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from domain.forecasts.naive import Naive
from domain.forecasts.panel import ForecastModel, Panel
from domain.seasonality.regular_grid import Bools, Floats, Ints

MAX_ORIGINS = 5
#: Values that must remain before the earliest origin, at least, and as a share of the history.
MIN_TRAINING = 12
MIN_TRAINING_SHARE = 0.4


@dataclass(frozen=True, slots=True)
class Backtest:
    """What every model said, from the past origins and from now.

    Attributes:
        models: names, in the order of the first axis.
        predictions: (models, origins, rows, horizon); the naive forecast where a model had no answer.
        actuals: (origins, rows, horizon) what happened, NaN where it was interpolated.
        valid: (origins, rows) the row is long enough for this origin.
        forecasts: (models, rows, horizon) from now; NaN where a model has no answer.
    """

    models: tuple[str, ...]
    predictions: Floats
    actuals: Floats
    valid: Bools
    forecasts: Floats


def compute_needed(length: Ints, horizon: int) -> Ints:
    """How many values a history of this length must have to be forecast with one backtest origin."""
    share = np.ceil(MIN_TRAINING_SHARE * length).astype(np.int64)
    return np.asarray(np.maximum(MIN_TRAINING, share) + horizon)


def run_backtest(panel: Panel, models: Sequence[ForecastModel], horizon: int) -> Backtest:
    """Forecast with every model from now and from up to MAX_ORIGINS past origins, `horizon` apart where history allows."""
    back, valid = _choose_origins(panel.lengths, horizon)
    rows, length = panel.values.shape
    histories = [panel.values, *(_move_right(panel.values, shift) for shift in back)]
    seen = [panel.observed, *(_move_right(panel.observed, shift) for shift in back)]
    stacked = Panel(np.concatenate(histories), np.concatenate(seen), panel.periods, panel.step_s)
    fallback = Naive().forecast(stacked, horizon)
    answers = np.stack([model.forecast(stacked, horizon) for model in models])
    answers = answers.reshape(len(models), len(back) + 1, rows, horizon)
    target = np.clip(length - back[:, :, None] + np.arange(horizon), 0, length - 1)
    happened = np.where(panel.observed, panel.values, np.nan)
    past = np.where(np.isfinite(answers[:, 1:]), answers[:, 1:], fallback.reshape(-1, rows, horizon)[1:])
    return Backtest(
        models=tuple(model.name for model in models),
        predictions=past,
        actuals=np.stack([np.take_along_axis(happened, columns, axis=1) for columns in target]),
        valid=valid,
        forecasts=answers[:, 0],
    )


def _choose_origins(lengths: Ints, horizon: int) -> tuple[Ints, Bools]:
    """(origins, rows) how many steps back each origin lies, and whether enough history remains before it."""
    room = lengths - compute_needed(lengths, horizon)
    spacing = np.clip(room // (MAX_ORIGINS - 1), 1, horizon)
    extra = np.arange(MAX_ORIGINS)[:, None] * spacing[None, :]
    valid = extra <= room[None, :]
    return np.where(valid, horizon + extra, horizon), valid


def _move_right(array: npt.NDArray[Any], shift: Ints) -> npt.NDArray[Any]:
    source = np.arange(array.shape[1])[None, :] - shift[:, None]
    empty = False if array.dtype == np.bool_ else np.nan
    return np.where(source >= 0, np.take_along_axis(array, np.maximum(source, 0), axis=1), empty)
