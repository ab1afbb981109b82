"""One alarm per episode: after a surprise, quiet until it is clearly exceeded or rows have passed without it."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import maximum_filter1d

from domain.anomalies.components.block import Floats, State

REST_ROWS = 60
#: A surprise this many times the alarm limit, or the last surprise, is news again.
WORSE_FACTOR = 5.0
_NEVER = -128


def start_rest(series: int) -> State:
    """State before the first row: the grades of the last REST_ROWS rows."""
    return {"rest_grades": np.full((series, REST_ROWS), _NEVER, np.int8)}


def advance_rest(state: State, surprise: Floats) -> tuple[State, np.ndarray]:
    """Which rows are news: their grade floor(log(surprise) / log(WORSE_FACTOR)) is above that of the last REST_ROWS rows.

    A surprise of 1 is the alarm limit, so the first row at or above it is news whatever came just below.
    """
    with np.errstate(divide="ignore"):
        grade = np.clip(np.floor(np.log(surprise) / np.log(WORSE_FACTOR)), _NEVER, 127).astype(np.int8)
    known = np.concatenate([state["rest_grades"], grade], axis=1)
    highest = maximum_filter1d(known, REST_ROWS, axis=1, mode="nearest", origin=REST_ROWS // 2 - 1)
    before = highest[:, REST_ROWS - 1 : -1]
    return {"rest_grades": known[:, -REST_ROWS:]}, grade > before
