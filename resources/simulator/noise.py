"""Seeded randomness as a pure function of (seed, name, day): the same on every start, whatever is asked first.

Every draw has a fixed shape, so that a fault that changes a rate never shifts the numbers drawn for anything else.
"""

from __future__ import annotations

import hashlib

import numpy as np

from resources.simulator.grid import SAMPLES_PER_DAY, Floats

KNOTS_PER_DAY = 96
POISSON_NORMAL_FROM = 12.0


def compute_key(*parts: object) -> int:
    """A stable 64-bit number for any tuple of printable parts."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def day_generator(seed: int, name: str, day: int) -> np.random.Generator:
    """The generator of one name on one day."""
    return np.random.Generator(np.random.SFC64(compute_key(seed, name, day)))


def compute_smooth_noise(seed: int, name: str, day: int, rows: int) -> Floats:
    """[rows, SAMPLES_PER_DAY] of N(0, 1)-like noise with a memory of a quarter of an hour, continuous over midnight."""
    today = day_generator(seed, name, day).standard_normal((rows, KNOTS_PER_DAY))
    tomorrow = day_generator(seed, name, day + 1).standard_normal((rows, KNOTS_PER_DAY))[:, :1]
    knots = np.concatenate([today, tomorrow], axis=1)
    position = np.arange(SAMPLES_PER_DAY) * (KNOTS_PER_DAY / SAMPLES_PER_DAY)
    left = position.astype(np.int64)
    share = position - left
    noise: Floats = knots[:, left] * (1.0 - share) + knots[:, left + 1] * share
    return noise


def compute_poisson(mean: Floats, uniform: Floats) -> Floats:
    """Poisson quantile of `uniform`, elementwise: exact for small means, Cornish-Fisher expansion above.

    One uniform number per cell, so a changed mean changes only its own cell. Source of the expansion: Cornish & Fisher
    (1938) with the skewness 1/√mean of the Poisson distribution; off by at most one.
    """
    from scipy.special import ndtri

    counts = np.zeros_like(mean)
    large = mean >= POISSON_NORMAL_FROM
    if large.any():
        m = mean[large]
        z = ndtri(uniform[large])
        counts[large] = np.maximum(0.0, np.floor(m + np.sqrt(m) * z + (z**2 - 1) / 6 + 0.5))
    small = ~large & (mean > 0)
    if small.any():
        counts[small] = _poisson_by_inversion(mean[small], uniform[small])
    return counts


def _poisson_by_inversion(mean: Floats, uniform: Floats) -> Floats:
    counts = np.zeros_like(mean)
    probability = np.exp(-mean)
    cumulated = probability.copy()
    for k in range(1, 48):
        above = uniform > cumulated
        if not above.any():
            break
        counts += above
        probability *= mean / k
        cumulated += probability
    return counts
