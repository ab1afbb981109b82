"""When a condition has lasted long enough to fire, and when it is over: for all keys of a rule at once.

Firing and recovery are separate conditions with separate durations, so that a value that swings about a threshold does not
swing the alert. The same function judges the newest minute and a month of history.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Observations:
    """What a condition says of each sample: arrays [sample], sorted by key, then time.

    `is_bad` and `is_good` exclude each other; a sample that is neither leaves everything as it is.
    """

    key: Ints
    at_us: Ints
    value: NDArray[np.float64]
    is_bad: Bools
    is_good: Bools


@dataclass(frozen=True, slots=True)
class Transitions:
    """Changes of state: arrays [change], sorted by key, then time. `sample` points into the observations."""

    sample: Ints
    is_firing: Bools
    onset_us: Ints
    over_since_us: Ints


def compute_transitions(
    seen: Observations,
    *,
    firing: Bools,
    for_us: int,
    recover_us: int,
    after_us: Ints | int = -(2**62),
    gap_us: int = 2**62,
) -> Transitions:
    """The moments at which keys start and stop firing.

    Args:
        firing: [key] whether it fired at `after_us`.
        for_us: a key fires at the first sample at which the bad streak spans at least this long; 0: at the first bad sample.
        recover_us: the same for the good streak of a firing key.
        after_us: one for all, or [sample]; samples up to here only lengthen streaks; what follows them was decided before.
        gap_us: a streak ends where samples are further apart than this.

    Returns:
        One row per change. `onset_us` is the first bad sample of the streak that fired, `over_since_us` the first good one of
        the streak that ended it (0 for a start).
    """
    n = seen.key.size
    if n == 0:
        none = np.zeros(0, np.int64)
        return Transitions(none, np.zeros(0, np.bool_), none, none)
    is_first = np.ones(n, np.bool_)
    is_first[1:] = seen.key[1:] != seen.key[:-1]
    is_broken = is_first.copy()
    is_broken[1:] |= np.diff(seen.at_us) > gap_us
    bad_since = _streak_starts(seen.is_bad, is_broken, seen.at_us)
    good_since = _streak_starts(seen.is_good, is_broken, seen.at_us)
    is_new = seen.at_us > after_us
    fires = seen.is_bad & is_new & (seen.at_us - bad_since >= for_us)
    recovers = seen.is_good & is_new & (seen.at_us - good_since >= recover_us)
    before = firing[seen.key]
    said = np.where(fires, 1, np.where(recovers, 0, -1))
    said = np.where((said < 0) & is_first, before.astype(np.int64), said)
    last_said = np.maximum.accumulate(np.where(said >= 0, np.arange(n), 0))
    state = said[last_said] == 1
    previous = np.where(is_first, before, np.roll(state, 1))
    changed = np.flatnonzero(state != previous)
    return Transitions(
        sample=changed,
        is_firing=state[changed],
        onset_us=bad_since[changed],
        over_since_us=np.where(state[changed], 0, good_since[changed]),
    )


def _streak_starts(holds: Bools, is_broken: Bools, at_us: Ints) -> Ints:
    """For each sample that holds, the time of the first sample of its unbroken streak."""
    begins = holds & is_broken
    begins[1:] |= holds[1:] & ~holds[:-1]
    return at_us[np.maximum.accumulate(np.where(begins, np.arange(at_us.size), 0))]
