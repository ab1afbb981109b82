"""Values outside the range ever seen, and outside the range of the last few thousand rows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from domain.anomalies.components.block import RELATIVE_ZERO, Block, Floats, State, shift

#: The recent range covers the epoch before and the present one, so 2,000 to 4,000 rows, with four numbers of state.
EPOCH_ROWS = 2000
CAP = 1.0


def start_range_novelty(series: int) -> State:
    """State before the first row."""
    highs = {name: np.full(series, -np.inf) for name in ("range_ever_high", "range_now_high", "range_last_high")}
    lows = {name: np.full(series, np.inf) for name in ("range_ever_low", "range_now_low", "range_last_low")}
    return {**highs, **lows}


def advance_range_novelty(state: State, block: Block) -> tuple[State, Floats, Floats]:
    """Excess over the range seen before, as a share of that range, in [0, CAP]: of all rows, and of the recent ones."""
    after = {name: state[name] for name in state if name.startswith("range_")}
    ever = _novelty(after, block.value, scope="range_ever")
    recent = np.empty_like(ever)
    numbers = block.row_numbers()
    is_start = (numbers % EPOCH_ROWS == 0) & (numbers > 0)
    edges = np.unique(np.concatenate([[0], np.flatnonzero(is_start.any(axis=0)), [ever.shape[1]]]))
    for first, last in pairwise(edges):
        _turn(after, is_start[:, first])
        recent[:, first:last] = _novelty(after, block.value[:, first:last], scope="range_now", floor="range_last")
    return after, ever, recent


def _turn(state: State, is_start: np.ndarray) -> None:
    for side, empty in (("high", -np.inf), ("low", np.inf)):
        state[f"range_last_{side}"] = np.where(is_start, state[f"range_now_{side}"], state[f"range_last_{side}"])
        state[f"range_now_{side}"] = np.where(is_start, empty, state[f"range_now_{side}"])


def _novelty(state: State, value: Floats, *, scope: str, floor: str | None = None) -> Floats:
    highs = np.maximum.accumulate(np.maximum(value, state[f"{scope}_high"][:, None]), axis=1)
    lows = np.minimum.accumulate(np.minimum(value, state[f"{scope}_low"][:, None]), axis=1)
    high, low = shift(state[f"{scope}_high"], highs), shift(state[f"{scope}_low"], lows)
    state[f"{scope}_high"], state[f"{scope}_low"] = highs[:, -1], lows[:, -1]
    if floor is not None:
        high = np.maximum(high, state[f"{floor}_high"][:, None])
        low = np.minimum(low, state[f"{floor}_low"][:, None])
    with np.errstate(invalid="ignore"):
        width = high - low + RELATIVE_ZERO * np.abs(high) + np.finfo(float).tiny
        excess = np.maximum(value - high, low - value) / width
    return np.clip(np.nan_to_num(excess, nan=0.0, posinf=CAP), 0.0, CAP) * np.isfinite(high)
