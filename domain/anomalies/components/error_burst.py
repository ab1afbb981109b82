"""Errors that are larger, for a while, than the series' errors use to be."""

from __future__ import annotations

import numpy as np

from domain.anomalies.components.block import RELATIVE_ZERO, Block, Floats, State
from domain.anomalies.components.weighted_mean import advance_weighted_mean

#: Rows: of the level that is predicted from, of the burst, and of what is usual.
LEVEL_SPAN, BURST_SPAN, USUAL_SPAN = 10, 30, 1000
CAP = 6.0
#: A spread of errors below this share of their mean is taken for this share: ramps have errors of one size.
LEAST_SPREAD = 0.05


def start_error_burst(series: int) -> State:
    """State before the first row."""
    return {name: np.zeros(series) for name in ("burst_level", "burst_usual", "burst_spread", "burst_short")}


def advance_error_burst(state: State, block: Block) -> tuple[State, Floats, Floats]:
    """Surprise = (short mean of errors - their usual mean) / their usual spread, in [0, CAP]; and the level predicted from.

    Source: the idea of the anomaly likelihood (Lavin and Ahmad 2015), with weighted instead of windowed moments.
    """
    value, seen = block.value, block.seen
    level, predicted, _ = advance_weighted_mean(state["burst_level"], value, seen=seen, span=LEVEL_SPAN)
    error = np.abs(value - predicted)
    usual, mean, _ = advance_weighted_mean(state["burst_usual"], error, seen=seen, span=USUAL_SPAN)
    squared = (error - mean) ** 2
    spread, variance, _ = advance_weighted_mean(state["burst_spread"], squared, seen=seen, span=USUAL_SPAN)
    short, _, recent = advance_weighted_mean(state["burst_short"], error, seen=seen, span=BURST_SPAN)
    unit = np.maximum(np.sqrt(variance), LEAST_SPREAD * mean) + RELATIVE_ZERO * np.abs(predicted) + np.finfo(float).tiny
    surprise = np.clip((recent - mean) / unit, 0.0, CAP)
    after: State = {"burst_level": level, "burst_usual": usual, "burst_spread": spread, "burst_short": short}
    return after, surprise, predicted
