"""Scoring of anomaly detectors as the Numenta Anomaly Benchmark does, written from its published definition.

Lavin and Ahmad, Evaluating Real-time Anomaly Detection Algorithms, 2015. Rows of the warm-up do not count. Within a
window the best of the flagged rows counts, more the earlier; every flagged row outside costs, less just after a window; a
window without a flag costs. Zero is a detector that never speaks, 100 one that speaks at the first row of every window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Profile:
    """Weights of true positives, false positives and false negatives."""

    tp: float
    fp: float
    fn: float


PROFILES = {
    "standard": Profile(1.0, 0.11, 1.0),
    "reward_low_FP_rate": Profile(1.0, 0.22, 1.0),
    "reward_low_FN_rate": Profile(1.0, 0.11, 2.0),
}


@dataclass(frozen=True)
class LabelledScores:
    """Scores of one file and its windows as (first row, last row), both inclusive."""

    scores: Floats
    windows: list[tuple[int, int]]


def count_warm_up(rows: int) -> int:
    """15 % of the rows, at most 750."""
    return int(min(0.15 * rows, 750))


def sweep(files: list[LabelledScores], profile: Profile) -> tuple[Floats, Floats]:
    """Every distinct score as a threshold, descending, and the normalised score that flags all rows at or above it."""
    thresholds, gains, windows = [], [], 0
    for file in files:
        for scores, deltas, is_window in _events(file, profile):
            thresholds.append(scores)
            gains.append(deltas)
            windows += is_window
    score, gain = np.concatenate(thresholds), np.concatenate(gains)
    order = np.argsort(-score, kind="stable")
    total = np.cumsum(gain[order])
    is_last = np.append(np.diff(score[order]) != 0, True)
    return score[order][is_last], 100 * total[is_last] / (windows * (profile.tp + profile.fn))


def score_at(files: list[LabelledScores], profile: Profile, threshold: float) -> float:
    """Normalised score when rows at or above `threshold` are flagged."""
    thresholds, totals = sweep(files, profile)
    reached = totals[thresholds >= threshold]
    return float(reached[-1]) if reached.size else 0.0


def _events(file: LabelledScores, profile: Profile) -> list[tuple[Floats, Floats, bool]]:
    rows = np.arange(file.scores.size)
    is_open = rows >= count_warm_up(rows.size)
    penalty = np.full(rows.size, -1.0)
    events = []
    for first, last in file.windows:
        after = rows > last
        penalty[after] = _sigmoid((rows[after] - last) / max(last - first, 1))
        inside = (rows >= first) & (rows <= last)
        if (inside & is_open).any():
            events.append((*_window_events(file.scores, inside & is_open, profile, bounds=(first, last)), True))
        is_open = is_open & ~inside
    events.append((file.scores[is_open], profile.fp * penalty[is_open], False))
    return events


def _window_events(scores, inside, profile, *, bounds):
    first, last = bounds
    reward = profile.tp * _sigmoid(-(last - np.flatnonzero(inside) + 1) / (last - first + 1)) / _sigmoid(np.array(-1.0))
    order = np.argsort(-scores[inside], kind="stable")
    best = np.maximum.accumulate(reward[order])
    return scores[inside][order], np.diff(best, prepend=-profile.fn)


def _sigmoid(position: Floats) -> Floats:
    return np.where(position > 3.0, -1.0, 2.0 / (1.0 + np.exp(5.0 * np.minimum(position, 3.0))) - 1.0)
