"""Long rows of many series as rectangles [series, time] of bounded size, and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from domain.anomalies.components.block import Floats

#: Cells of one rectangle: some thirty arrays of this size live at once.
BLOCK_CELLS = 500_000


@dataclass(frozen=True, slots=True)
class PackedBlock:
    """One rectangle. Cells after the end of a series repeat its last row and are not in `is_row`.

    Attributes:
        at_us: [series, time].
        value: [series, time].
        is_row: [series, time] true where the cell is a row of the series.
        rows: positions, in the long frame, of the true cells read row by row.

    """

    at_us: NDArray[np.int64]
    value: Floats
    is_row: NDArray[np.bool_]
    rows: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some series of about equal length, to be walked through in blocks of columns."""

    at_us: NDArray[np.int64]
    value: Floats
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @property
    def series(self) -> int:
        """How many."""
        return self.starts.size

    def column_blocks(self) -> list[range]:
        """Ranges of columns, each with at most BLOCK_CELLS cells."""
        longest, step = int(self.lengths.max()), max(1, BLOCK_CELLS // self.series)
        return [range(first, min(first + step, longest)) for first in range(0, longest, step)]

    def take(self, columns: range) -> PackedBlock:
        """The rectangle of these columns."""
        wanted = np.arange(columns.start, columns.stop)
        is_row = wanted < self.lengths[:, None]
        rows = self.starts[:, None] + np.minimum(wanted, self.lengths[:, None] - 1)
        return PackedBlock(at_us=self.at_us[rows], value=self.value[rows], is_row=is_row, rows=rows[is_row])


def iterate_batches(points: pl.DataFrame) -> Iterator[Batch]:
    """Series in batches of similar length.

    Args:
        points: POINTS_SCHEMA, sorted by series and time, without missing values.

    """
    at_us, value = points["captured_at"].to_physical().to_numpy(), points["metric_value"].to_numpy()
    lengths = points.group_by("series_id", maintain_order=True).len()["len"].to_numpy().astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
    order = np.argsort(lengths, kind="stable")
    while order.size:
        # The longest series of the batch sets its width; all of them fit into one rectangle, or the longest goes alone.
        width = max(int(lengths[order[-1]]), 1)
        members = order[-max(1, BLOCK_CELLS // width) :]
        yield Batch(at_us=at_us, value=value, starts=starts[members], lengths=lengths[members])
        order = order[: -members.size]
