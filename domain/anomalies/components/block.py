"""The rows a component works on at once: some series, the same number of next rows of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: Arrays of mixed type, the series along the first axis of each.
State = dict[str, NDArray[Any]]

#: A spread below this share of the level is rounding error.
RELATIVE_ZERO = 1e-9


@dataclass(frozen=True, slots=True)
class Block:
    """Rows without missing values, oldest first.

    Attributes:
        at_us: [series, time] microseconds since the epoch.
        value: [series, time].
        seen: [series] rows of the series before this block.

    """

    at_us: NDArray[np.int64]
    value: Floats
    seen: NDArray[np.int64]

    def row_numbers(self) -> NDArray[np.int64]:
        """[series, time] how many rows of the series came before the row."""
        numbers: NDArray[np.int64] = self.seen[:, None] + np.arange(self.value.shape[1])
        return numbers


def shift(previous: Floats, current: Floats) -> Floats:
    """[series, time] values one row earlier; `previous` [series] is the one before the block."""
    return np.concatenate([previous[:, None], current[:, :-1]], axis=1)
