"""A level that has moved away from where the series used to be, relative to how much it used to move; soon and surely."""

from __future__ import annotations

import numpy as np

from domain.anomalies.components.block import RELATIVE_ZERO, Block, Floats, State
from domain.anomalies.components.weighted_mean import advance_weighted_mean

#: Rows of the present level, quick and steady, and of the usual one.
QUICK_SPAN, STEADY_SPAN, USUAL_SPAN = 30, 100, 1000
CAP = 10.0


def start_level_shift(series: int) -> State:
    """State before the first row."""
    return {name: np.zeros(series) for name in ("shift_quick", "shift_steady", "shift_usual", "shift_spread")}


def advance_level_shift(state: State, block: Block) -> tuple[State, Floats, Floats]:
    """Surprise = |present level - usual level| / usual spread of the values, in [0, CAP]: quick and steady."""
    value, seen = block.value, block.seen
    usual, mean, _ = advance_weighted_mean(state["shift_usual"], value, seen=seen, span=USUAL_SPAN)
    squared = (value - mean) ** 2
    spread, variance, _ = advance_weighted_mean(state["shift_spread"], squared, seen=seen, span=USUAL_SPAN)
    quick, _, soon = advance_weighted_mean(state["shift_quick"], value, seen=seen, span=QUICK_SPAN)
    steady, _, level = advance_weighted_mean(state["shift_steady"], value, seen=seen, span=STEADY_SPAN)
    unit = np.sqrt(variance) + RELATIVE_ZERO * np.abs(mean) + np.finfo(float).tiny
    after: State = {"shift_quick": quick, "shift_steady": steady, "shift_usual": usual, "shift_spread": spread}
    return after, np.clip(np.abs(soon - mean) / unit, 0.0, CAP), np.clip(np.abs(level - mean) / unit, 0.0, CAP)
