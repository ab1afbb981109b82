"""A block of evenly spaced samples with one window per step, and the primitives that all range functions share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from resources.simulator.grid import Bools, Floats, Ints
from resources.simulator.promql.values import Labels

GATHER_CELLS = 4_000_000


@dataclass(frozen=True)
class RangeBlock:
    """Samples [rows, K]; the window of step j is columns low[j]..high[j], both included (empty when low > high).

    Column k was taken at first_ms + k · spacing_ms. begin_ms and end_ms are the nominal bounds of each window.
    """

    labels: list[Labels]
    values: Floats
    present: Bools
    first_ms: int
    spacing_ms: int
    low: Ints
    high: Ints
    begin_ms: Ints
    end_ms: Ints

    @cached_property
    def is_complete(self) -> bool:
        """No gap anywhere."""
        return bool(self.present.all())

    @cached_property
    def width(self) -> int:
        """Columns."""
        return int(self.values.shape[1])

    @cached_property
    def held(self) -> Floats:
        """Values with gaps filled by the newest value before them."""
        if self.is_complete:
            return self.values
        return np.take_along_axis(self.values, np.maximum(self._newest_before, 0), axis=1)

    @cached_property
    def _newest_before(self) -> Ints:
        column = np.where(self.present, np.arange(self.width)[None, :], -1)
        return np.maximum.accumulate(column, axis=1)

    @cached_property
    def _oldest_after(self) -> Ints:
        column = np.where(self.present, np.arange(self.width)[None, :], self.width)
        return np.minimum.accumulate(column[:, ::-1], axis=1)[:, ::-1]

    def sums(self, per_column: Floats) -> Floats:
        """Running totals of [rows, K] differenced over each window: for whole numbers, exact."""
        total = np.concatenate([np.zeros((per_column.shape[0], 1)), np.cumsum(per_column, axis=1)], axis=1)
        low, high = np.clip(self.low, 0, self.width), np.clip(self.high + 1, 0, self.width)
        return np.where(self.high >= self.low, total[:, high] - total[:, low], 0.0)

    def count(self) -> Ints:
        """Samples in each window, [rows, steps]."""
        if self.is_complete:
            inside = np.minimum(self.high, self.width - 1) - np.maximum(self.low, 0) + 1
            return np.broadcast_to(np.maximum(inside, 0), (len(self.labels), inside.size))
        return self.sums(self.present.astype(np.float64)).astype(np.int64)

    def first_index(self) -> Ints:
        """Column of the first sample of each window; only meaningful where `count()` > 0."""
        low = np.clip(self.low, 0, self.width - 1)
        if self.is_complete:
            return np.broadcast_to(low, (len(self.labels), low.size))
        return np.minimum(self._oldest_after[:, low], self.width - 1)

    def last_index(self) -> Ints:
        """Column of the last sample of each window; only meaningful where `count()` > 0."""
        high = np.clip(self.high, 0, self.width - 1)
        if self.is_complete:
            return np.broadcast_to(high, (len(self.labels), high.size))
        return np.maximum(self._newest_before[:, high], 0)

    def at(self, per_column: Floats, index: Ints) -> Floats:
        """per_column[row, index[row, step]]."""
        if self.is_complete and index.strides[0] == 0 and len(index):
            return per_column[:, index[0]]
        return np.take_along_axis(per_column, index, axis=1)

    def times_ms(self, index: Ints) -> Ints:
        """Instants of columns."""
        return self.first_ms + index * self.spacing_ms

    def reduce(self, function: np.ufunc, neutral: float) -> Floats:
        """A ufunc (add, minimum, maximum) reduced over each window; gaps count as `neutral`."""
        filled = np.where(self.present, self.values, neutral) if not self.is_complete else self.values
        padded = np.concatenate([filled, np.full((filled.shape[0], 1), neutral)], axis=1)
        low, high = np.clip(self.low, 0, self.width), np.clip(self.high + 1, 0, self.width)
        bounds = np.empty(2 * low.size, dtype=np.int64)
        bounds[0::2], bounds[1::2] = low, np.maximum(high, low)
        reduced: Floats = function.reduceat(padded, bounds, axis=1)[:, 0::2]
        return reduced

    def gathered(self) -> Iterator[tuple[slice, Floats, Ints]]:
        """(steps, window values [rows, steps, n] with NaN for gaps, columns [steps, n]) in slices that fit in memory."""
        longest = int(max((self.high - self.low + 1).max(initial=0), 1))
        batch = max(1, GATHER_CELLS // max(1, longest * max(1, len(self.labels))))
        gaps_as_nan = np.where(self.present, self.values, np.nan)
        for begin in range(0, self.low.size, batch):
            steps = slice(begin, begin + batch)
            column = self.low[steps, None] + np.arange(longest)[None, :]
            inside = (column <= self.high[steps, None]) & (column >= 0) & (column < self.width)
            window = gaps_as_nan[:, np.clip(column, 0, self.width - 1)]
            yield steps, np.where(inside[None], window, np.nan), column
