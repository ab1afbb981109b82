"""The scorer of the Numenta benchmark against figures worked out by hand from its published definition.

With σ(y) = 2 / (1 + e^(5y)) - 1, which is tanh(-2.5 y): a row of a window of n rows at place k from its end (1 is the last) is
worth σ(-k/n) / σ(-1); a flagged row so many rows after a window costs σ(rows / (n - 1)), -1 from three windows on and before
the first window. Normalised: 100 · (score - score of silence) / (perfect score - score of silence).
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.benchmarks.nab_scoring import PROFILES, LabelledScores, count_warm_up, score_at, sweep

WINDOW = (40, 49)
SECOND = (80, 89)
#: σ(-1), what the first row of a window is worth before scaling.
FIRST = math.tanh(2.5)


def flag(*rows: int, length: int = 100, windows: tuple[tuple[int, int], ...] = (WINDOW,)) -> LabelledScores:
    scores = np.zeros(length)
    scores[list(rows)] = 1.0
    return LabelledScores(scores, list(windows))


def judge(*files: LabelledScores, profile: str = "standard") -> float:
    return score_at(list(files), PROFILES[profile], 0.5)


@pytest.mark.parametrize("profile", PROFILES)
def test_silence_is_0_and_the_first_row_of_every_window_is_100(profile: str) -> None:
    windows = (WINDOW, SECOND)
    assert judge(flag(windows=windows), profile=profile) == 0.0
    assert judge(flag(40, 80, windows=windows), profile=profile) == pytest.approx(100.0)
    assert judge(flag(40), flag(40), profile=profile) == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("profile", "expected"), [("standard", 62.412), ("reward_low_FP_rate", 62.412), ("reward_low_FN_rate", 74.941)]
)
def test_the_last_row_of_a_window_is_worth_less(profile: str, expected: float) -> None:
    # tanh(0.25) / tanh(2.5) = 0.24824; (0.24824 + 1) / 2 and (0.24824 + 2) / 3
    assert judge(flag(49), profile=profile) == pytest.approx(expected, abs=1e-3)


def test_only_the_earliest_flag_of_a_window_counts() -> None:
    middle = 100 * (math.tanh(2.5 * 0.5) / FIRST + 1) / 2
    assert judge(flag(45)) == pytest.approx(middle)
    assert judge(flag(45, 46, 49)) == pytest.approx(middle)


@pytest.mark.parametrize(
    ("profile", "weight", "span"),
    [("standard", 0.11, 2), ("reward_low_FP_rate", 0.22, 2), ("reward_low_FN_rate", 0.11, 3)],
)
def test_one_false_alarm_after_a_window(profile: str, weight: float, span: int) -> None:
    # five rows after a window of ten: σ(5/9) = -tanh(1.38889) = -0.88295
    near = 100 - 100 * weight * 0.88295 / span
    assert judge(flag(40, 54), profile=profile) == pytest.approx(near, abs=1e-3)
    # the row after the window costs tanh(2.5 / 9) = 0.27084
    assert judge(flag(40, 50), profile=profile) == pytest.approx(100 - 100 * weight * 0.27084 / span, abs=1e-3)
    # from three windows (28 rows) on, and before the first window, it costs in full
    full = pytest.approx(100 - 100 * weight / span)
    assert judge(flag(40, 77), profile=profile) == full
    assert judge(flag(40, 20), profile=profile) == full


def test_a_false_alarm_alone_is_below_zero() -> None:
    assert judge(flag(20)) == pytest.approx(-5.5)


def test_a_false_alarm_is_measured_from_the_window_before_it() -> None:
    windows = ((30, 39), (60, 69))
    between, after = (math.tanh(2.5 * 2 / 9) for _ in range(2))
    found = judge(flag(30, 60, 41, 71, windows=windows))
    assert found == pytest.approx(100 - 100 * 0.11 * (between + after) / 4)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_missed_window_costs_its_share(profile: str) -> None:
    assert judge(flag(40, windows=(WINDOW, SECOND)), profile=profile) == pytest.approx(50.0)
    assert judge(flag(40), flag(length=200, windows=(WINDOW,)), profile=profile) == pytest.approx(50.0)


def test_the_warm_up_is_15_percent_and_at_most_750_rows() -> None:
    assert [count_warm_up(rows) for rows in (0, 100, 4032, 5000, 22_695)] == [0, 15, 604, 750, 750]
    assert judge(flag(40, 14)) == pytest.approx(100.0), "a flag within it costs nothing"
    assert judge(flag(40, 15)) == pytest.approx(94.5)
    late = {"length": 10_000, "windows": ((5000, 5099),)}
    assert judge(flag(5000, 749, **late)) == pytest.approx(100.0)
    assert judge(flag(5000, 750, **late)) == pytest.approx(94.5)


def test_a_window_within_the_warm_up_is_not_there() -> None:
    windows = ((3, 9), WINDOW)
    assert judge(flag(40, windows=windows)) == pytest.approx(100.0)
    assert judge(flag(3, 40, windows=windows)) == pytest.approx(100.0)


def test_the_sweep_knows_every_threshold() -> None:
    scores = np.zeros(100)
    scores[[40, 20, 45]] = [0.6, 0.8, 0.9]
    thresholds, totals = sweep([LabelledScores(scores, [WINDOW])], PROFILES["standard"])
    middle = 100 * (math.tanh(1.25) / FIRST + 1) / 2
    assert thresholds[:3].tolist() == [0.9, 0.8, 0.6]
    assert totals[:3].tolist() == pytest.approx([middle, middle - 5.5, 94.5])
    everything = 0.11 * (25 + 23 + sum(math.tanh(2.5 * rows / 9) for rows in range(1, 28)))
    assert totals[3] == pytest.approx(100 * (1 - everything / 2))
