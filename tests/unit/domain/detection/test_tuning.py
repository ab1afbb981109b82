"""Precision of a rule and the steps of its threshold."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.detection.tuning import Precision, suggest_steps

pytestmark = pytest.mark.requirement("D8")


def test_few_verdicts_say_nothing() -> None:
    assert Precision("r", 9, 0, 0).precision_pct is None
    assert not Precision("r", 9, 0, 4).is_noisy
    assert Precision("r", 9, 0, 5).is_noisy
    assert not Precision("r", 9, 7, 3).is_noisy


def test_steps_end_where_no_false_alarm_is_left() -> None:
    steps = suggest_steps(100, false_values=[103, 108, 118], true_values=[109, 400])
    assert [(round(s.threshold), s.spared_false, s.missed_true) for s in steps] == [
        (105, 1, 0),
        (110, 2, 1),
        (115, 2, 1),
        (120, 3, 1),
    ]
    assert steps[-1].precision_pct == 100.0


def test_a_lower_limit_moves_down() -> None:
    steps = suggest_steps(95, false_values=[94], true_values=[50])
    assert [(round(s.threshold, 2), s.spared_false) for s in steps] == [(90.25, 1)]


@pytest.mark.parametrize(("threshold", "false"), [(100, []), (0, [1]), (100, [90, 110])])
def test_where_nothing_follows_nothing_is_said(threshold: float, false: list[float]) -> None:
    assert suggest_steps(threshold, false_values=false, true_values=[]) == []


@given(st.floats(1, 1e6), st.lists(st.floats(1, 3), min_size=1, max_size=30), st.lists(st.floats(1, 3), max_size=30))
def test_each_step_spares_and_misses_no_less_than_the_one_before(
    threshold: float, false: list[float], true: list[float]
) -> None:
    steps = suggest_steps(
        threshold, false_values=[x * threshold for x in false], true_values=[x * threshold for x in true]
    )
    for before, after in pairwise(steps):
        assert before.spared_false <= after.spared_false < len(false) or after is steps[-1]
        assert before.missed_true <= after.missed_true
        assert before.threshold < after.threshold
