"""From simulated futures to a date: where the probability just suffices for one, and where it does not."""

from __future__ import annotations

import numpy as np
import pytest

from domain.capacity.first_passage import MIN_PROBABILITY, find_first_steps, summarise
from domain.capacity.paths import PATHS


@pytest.mark.parametrize("paths", [10, PATHS, 2 * PATHS])
def test_a_date_is_given_from_one_future_in_five_on(paths: int) -> None:
    enough = round(MIN_PROBABILITY * paths)
    steps = np.full((2, paths), np.inf)
    steps[0, :enough] = 7.0
    steps[1, : enough - 1] = 7.0
    found = summarise(steps, np.full((2, paths), 1.0 / paths), level=0.8)
    assert found.probability == pytest.approx([enough / paths, (enough - 1) / paths])
    assert found.step.tolist() == [7.0, pytest.approx(np.nan, nan_ok=True)]


def test_at_the_limit_is_reached_and_just_below_is_not() -> None:
    paths = np.array([[[1.0, 4.999, 5.0], [1.0, 2.0, 3.0]]])
    assert find_first_steps(paths, np.array([5.0])).tolist() == [[3.0, np.inf]]
