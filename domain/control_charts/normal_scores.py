"""From the distribution a series really has to the normal one the charts are stated for: its own quantiles, no family assumed.

Up to the third largest and smallest of the reference its order statistics speak; beyond them a generalised Pareto tail.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: The outermost order statistic that is believed, and how many nodes lie between it and the median.
OUTERMOST, NODES_PER_SIDE = 3, 17
#: Extremes per side that the tail is fitted to, at most this share of the reference.
TAIL_POINTS, TAIL_SHARE = 50, 8
#: Beyond this a score says no more; it keeps one wild point from ringing in EWMA and CUSUM for days.
CLIP = 8.0
_TINY = np.finfo(float).tiny


@dataclass(frozen=True, slots=True)
class Tail:
    """Generalised Pareto beyond the outermost node, (S,) each."""

    shape: Floats
    scale: Floats


@dataclass(frozen=True, slots=True)
class Distribution:
    """Nodes [series, node] with their normal scores, and what lies beyond them; `share` (S,) is that of each tail."""

    nodes: Floats
    scores: Floats
    lower: Tail
    upper: Tail
    share: Floats


def fit_distribution(reference: Floats, sizes: Ints) -> Distribution:
    """The k-th of n in order has the score of the probability (k - 1/2) / n (Hazen).

    With it the mean run length of limits set by two order statistics is the stated one whatever the distribution: the share
    beyond both is Beta(2k - 1, …) and the mean of its inverse n / (2k - 1).

    Args:
        reference: [series, time], NaN after the end of a shorter one.
        sizes: (S,) filled cells of each row, at least 8 · OUTERMOST.

    """
    ordered = np.sort(reference, axis=1)
    growth = (sizes / 2 / OUTERMOST)[:, None] ** (np.arange(NODES_PER_SIDE) / NODES_PER_SIDE)
    below = np.rint(OUTERMOST * growth).astype(np.int64) - 1
    at = np.column_stack([below, (sizes - 1) // 2, sizes[:, None] - 1 - below[:, ::-1]])
    nodes = np.take_along_axis(ordered, at, axis=1)
    scores = special.ndtri((at + 0.5) / sizes[:, None])
    points = np.minimum(sizes // TAIL_SHARE, TAIL_POINTS)
    rank = np.minimum(np.arange(TAIL_POINTS + 1), sizes[:, None] - 1)
    lower = _fit_tail(-np.take_along_axis(ordered, rank, axis=1), points)
    upper = _fit_tail(np.take_along_axis(ordered, sizes[:, None] - 1 - rank, axis=1), points)
    return Distribution(nodes, scores, lower, upper, (OUTERMOST - 0.5) / sizes)


def compute_normal_scores(values: Floats, distribution: Distribution) -> Floats:
    """Values [series, time] as normal deviates of the same tail probability, within ± CLIP; NaN stays."""
    nodes, scores = distribution.nodes, distribution.scores
    left = _find_left_node(values, nodes)
    low, high = np.take_along_axis(nodes, left, axis=1), np.take_along_axis(nodes, left + 1, axis=1)
    with np.errstate(over="ignore"):
        share = np.clip((values - low) / np.maximum(high - low, _TINY), 0.0, 1.0)
    inner = (
        np.take_along_axis(scores, left, axis=1) * (1 - share) + np.take_along_axis(scores, left + 1, axis=1) * share
    )
    above = _score_tail(values - nodes[:, -1:], distribution.upper, distribution.share)
    below = -_score_tail(nodes[:, :1] - values, distribution.lower, distribution.share)
    both = np.where(values > nodes[:, -1:], above, np.where(values < nodes[:, :1], below, inner))
    clipped: Floats = np.clip(both, -CLIP, CLIP)
    return clipped


def _find_left_node(values: Floats, nodes: Floats) -> Ints:
    left, last = np.zeros(values.shape, dtype=np.int64), nodes.shape[1] - 2
    step = 1 << last.bit_length()
    while step := step // 2:
        tried = np.minimum(left + step, last)
        left = np.where(np.take_along_axis(nodes, tried, axis=1) <= values, tried, left)
    return left


def _fit_tail(outward: Floats, points: Ints) -> Tail:
    """From the `points` (S,) largest values [series, largest first], by probability-weighted moments (Hosking, Wallis 1987)."""
    threshold = np.take_along_axis(outward, points[:, None], axis=1)
    place = points[:, None] - 1 - np.arange(outward.shape[1])
    excess = np.where(place >= 0, outward - threshold, 0.0)
    mean = np.maximum(excess.sum(axis=1) / points, _TINY)
    spread = 2 * (excess * place).sum(axis=1) / (points * (points - 1)) - mean
    shape = np.clip(2 - mean / np.maximum(spread, _TINY), -0.9, 0.5)
    outermost = outward[:, OUTERMOST - 1]
    scale = mean * (1 - shape) + shape * (outermost - threshold[:, 0])
    beyond = outward[:, : OUTERMOST - 1].mean(axis=1) - outermost
    return Tail(shape, np.maximum(scale, beyond * (1 - np.minimum(shape, 0.0))))


def _score_tail(beyond: Floats, tail: Tail, share: Floats) -> Floats:
    scale = np.maximum(tail.scale, _TINY)[:, None]
    shape = np.where(np.abs(tail.shape) < 1e-6, 1e-6, tail.shape)[:, None]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        stretched = np.maximum(shape * np.maximum(beyond, 0.0) / scale, -1.0)
        log_share = np.log(share)[:, None] - np.log1p(stretched) / shape
        score: Floats = -special.ndtri_exp(np.maximum(log_share, special.log_ndtr(-CLIP)))
    return score
