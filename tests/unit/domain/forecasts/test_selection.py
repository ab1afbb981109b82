"""Blend or one model: by the errors of a backtest worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from domain.forecasts.backtest import Backtest
from domain.forecasts.selection import BLEND, CLEARLY_BETTER, Selection, select


def judge(errors: list[list[float]]) -> Selection:
    """One series, one step ahead, truth 0: errors[model][origin]."""
    predictions = np.array(errors)[:, :, None, None]
    models, origins = predictions.shape[:2]
    backtest = Backtest(
        models=tuple("abc"[:models]),
        predictions=predictions,
        actuals=np.zeros((origins, 1, 1)),
        valid=np.ones((origins, 1), dtype=bool),
        forecasts=np.arange(1.0, models + 1)[:, None, None],
    )
    return select(backtest, np.ones(1))


def chosen(found: Selection) -> str:
    return found.names[int(found.chosen[0])]


def test_the_blend_is_judged_with_weights_that_did_not_see_the_origin() -> None:
    # weights of origin 0 come from origin 1, (1.5)^-4 = 0.19753 and (0.5)^-4 = 16: 0.0122 · 0.5 + 0.9878 · 1.5
    found = judge([[0.5, 1.5], [1.5, 0.5]])
    assert found.mase[-1, 0] == pytest.approx(1.4878, abs=1e-4)
    assert found.weights[:, 0].tolist() == pytest.approx([0.5, 0.5])


def test_one_model_is_chosen_below_the_stated_share_of_the_error_of_the_blend() -> None:
    found = judge([[0.5, 1.5], [1.5, 0.5]])
    assert CLEARLY_BETTER * found.mase[-1, 0] > 1
    assert chosen(found) == "a"
    assert found.forecast.tolist() == [[1.0]]


def test_a_little_better_is_not_clearly_better() -> None:
    # weights (1.2)^-4 and (0.8)^-4: the blend errs by 1.134, a model by 1, which is 0.88 of it
    found = judge([[0.8, 1.2], [1.2, 0.8]])
    assert found.mase[-1, 0] == pytest.approx(1.134, abs=1e-3)
    assert chosen(found) == BLEND
    assert found.forecast.tolist() == [[pytest.approx(1.5)]]


def test_models_that_err_on_either_side_are_mixed() -> None:
    found = judge([[1.0, 1.0], [-1.0, -1.0]])
    assert found.mase[:, 0].tolist() == pytest.approx([1.0, 1.0, 0.0])
    assert chosen(found) == BLEND


def test_a_model_without_an_answer_for_now_is_not_chosen() -> None:
    found = judge([[2.0, 0.1], [2.0, 2.0]])
    errors = np.array([[0.0, 0.0], [2.0, 2.0]])[:, :, None, None]
    silent = select(
        Backtest(
            ("a", "b"),
            errors,
            np.zeros((2, 1, 1)),
            np.ones((2, 1), dtype=bool),
            np.array([np.nan, 2.0])[:, None, None],
        ),
        np.ones(1),
    )
    assert found.weights[0, 0] > found.weights[1, 0]
    assert silent.weights[:, 0].tolist() == [0.0, 1.0]
    assert silent.forecast.tolist() == [[2.0]]
