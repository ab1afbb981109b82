"""The scrape grid: all series of the estate are sampled at the same instants, day by day.

Sample k is taken at k · SCRAPE_MS + OFFSET_MS after the epoch. The offset keeps samples off round instants, as real
scrapes are, so that a window never begins exactly on a sample.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SCRAPE_MS = 30_000
OFFSET_MS = 11_317
DAY_MS = 86_400_000
SAMPLES_PER_DAY = DAY_MS // SCRAPE_MS


def last_index_at(instant_ms: Ints | int) -> Ints:
    """Index of the newest sample at or before each instant (milliseconds)."""
    return np.floor_divide(np.asarray(instant_ms, dtype=np.int64) - OFFSET_MS, SCRAPE_MS)


def first_index_at(instant_ms: Ints | int) -> Ints:
    """Index of the oldest sample at or after each instant (milliseconds)."""
    return -np.floor_divide(-(np.asarray(instant_ms, dtype=np.int64) - OFFSET_MS), SCRAPE_MS)


def sample_ms(index: Ints | int) -> Ints:
    """Instant of each sample, milliseconds."""
    return np.asarray(index, dtype=np.int64) * SCRAPE_MS + OFFSET_MS


def day_times_s(day: int) -> Floats:
    """The SAMPLES_PER_DAY instants of a day (days since the epoch), seconds."""
    return sample_ms(np.arange(day * SAMPLES_PER_DAY, (day + 1) * SAMPLES_PER_DAY)) / 1000.0
