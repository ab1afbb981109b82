"""Mean, spread, median and MAD of many groups at once, by sorting; knows nothing of time or series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: A block stays in the processor's cache from gathering to the second sort.
_BLOCK_VALUES = 250_000


@dataclass(frozen=True, slots=True)
class GroupStatistics:
    """Arrays of one entry per group; NaN where a group is empty or, for `std`, holds fewer than two values."""

    points: NDArray[np.int64]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    median: NDArray[np.float64]
    mad: NDArray[np.float64]


def compute_group_statistics(
    values: NDArray[np.float64], offsets: NDArray[np.int64], *, min_points: int = 1
) -> GroupStatistics:
    """Statistics of the groups values[offsets[i]:offsets[i + 1]].

    Groups of equal size are one matrix, sorted along its rows: the loop runs over distinct sizes, never over groups.
    Sums run over sorted values, so the answer does not depend on the order of the input.

    Args:
        values: all groups end to end, without NaN.
        offsets: one more than there are groups, ascending.
        min_points: groups below it stay NaN.

    """
    sizes = np.diff(offsets)
    answer = GroupStatistics(sizes, *(np.full(sizes.size, np.nan) for _ in range(4)))
    for size in np.unique(sizes[sizes >= max(min_points, 1)]):
        members = np.flatnonzero(sizes == size)
        step = max(1, _BLOCK_VALUES // int(size))
        for first in range(0, members.size, step):
            _fill(answer, members[first : first + step], values=values, offsets=offsets, size=int(size))
    return answer


def _fill(
    answer: GroupStatistics,
    members: NDArray[np.int64],
    *,
    values: NDArray[np.float64],
    offsets: NDArray[np.int64],
    size: int,
) -> None:
    rows = _rows_of(values, offsets[members], size=size)
    rows.sort(axis=1)
    median = _middle(rows)
    mean = rows.mean(axis=1)
    answer.mean[members] = mean
    answer.median[members] = median
    if size > 1:
        deviation = rows - mean[:, None]
        answer.std[members] = np.sqrt(np.einsum("ij,ij->i", deviation, deviation) / (size - 1))
    np.subtract(rows, median[:, None], out=rows)
    np.abs(rows, out=rows)
    rows.sort(axis=1)
    answer.mad[members] = _middle(rows)


def _rows_of(values: NDArray[np.float64], starts: NDArray[np.int64], *, size: int) -> NDArray[np.float64]:
    first, last = int(starts[0]), int(starts[-1]) + size
    if last - first == starts.size * size:
        return values[first:last].reshape(-1, size).copy()
    rows: NDArray[np.float64] = values[starts[:, None] + np.arange(size)]
    return rows


def _middle(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    size = rows.shape[1]
    low, high = rows[:, (size - 1) // 2], rows[:, size // 2]
    middle: NDArray[np.float64] = low + (high - low) / 2
    return middle


def compute_known_median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median along the last axis, NaN left out; NaN where there is nothing."""
    ordered = np.sort(values, axis=-1)  # NaN last
    count = np.maximum(np.sum(~np.isnan(ordered), axis=-1, keepdims=True), 1)
    low = np.take_along_axis(ordered, (count - 1) // 2, axis=-1)
    high = np.take_along_axis(ordered, count // 2, axis=-1) if ordered.shape[-1] > 1 else low
    middle: NDArray[np.float64] = (low + (high - low) / 2)[..., 0]
    return middle
