"""Sawtooth gauges (log rotation, cleanup jobs): their peaks meet the limit, so their upper envelope is simulated.

A reset is a fall of at least a quarter of the range. A gauge is a sawtooth when it has two resets or more, they are at most
every third step, and they make up four fifths of all falling; its envelope is the highest value within the longest stretch
between two resets, and the first such value before there is one.
"""

from __future__ import annotations

import numpy as np

from domain.seasonality.regular_grid import Bools, Floats, Ints

RESET_SHARE_OF_RANGE = 0.25
RESET_SHARE_OF_FALL = 0.8


def compute_envelope(values: Floats) -> Floats:
    """(n, L): sawtooth rows replaced by their upper envelope, the others as they are."""
    change = np.nan_to_num(np.diff(values, axis=1))
    spread = _row_range(values)
    is_reset = (change < -RESET_SHARE_OF_RANGE * spread[:, None]) & (spread[:, None] > 0)
    count = is_reset.sum(axis=1)
    falls = np.where(change < 0, change, 0.0)
    share = np.where(is_reset, change, 0.0).sum(axis=1) / np.minimum(falls.sum(axis=1), -1e-300)
    lengths = (~np.isnan(values)).sum(axis=1)
    is_sawtooth = (count >= 2) & (3 * count <= lengths) & (share >= RESET_SHARE_OF_FALL)
    envelope = values.copy()
    window = _longest_stretch(is_reset)
    for length in np.unique(window[is_sawtooth]):
        rows = is_sawtooth & (window == length)
        padded = np.pad(values[rows], ((0, 0), (int(length) - 1, 0)), constant_values=np.nan)
        padded = np.where(np.isnan(padded), -np.inf, padded)
        highest = np.lib.stride_tricks.sliding_window_view(padded, int(length), axis=1).max(axis=2)
        begin = np.isnan(values[rows]).sum(axis=1, keepdims=True) + int(length) - 1
        begin = np.minimum(begin, values.shape[1] - 1)
        is_warming_up = np.arange(values.shape[1])[None, :] < begin
        highest = np.where(is_warming_up, np.take_along_axis(highest, begin, axis=1), highest)
        envelope[rows] = np.where(np.isnan(values[rows]), np.nan, highest)
    return envelope


def _row_range(values: Floats) -> Floats:
    known = ~np.isnan(values)
    high = np.where(known, values, -np.inf).max(axis=1, initial=-np.inf)
    low = np.where(known, values, np.inf).min(axis=1, initial=np.inf)
    return np.where(np.isfinite(high), high - low, 0.0)


def _longest_stretch(is_reset: Bools) -> Ints:
    """(n,) the most steps from one reset to the next; 1 with fewer than two resets."""
    column = np.arange(is_reset.shape[1])
    last = np.maximum.accumulate(np.where(is_reset, column, -1), axis=1)
    before = np.pad(last, ((0, 0), (1, 0)), constant_values=-1)[:, :-1]
    stretch = np.where(is_reset & (before >= 0), column - before, 1)
    return np.asarray(stretch.max(axis=1, initial=1))
