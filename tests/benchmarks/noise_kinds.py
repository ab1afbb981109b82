"""Noise in control, of many kinds: what run lengths of control charts are simulated on, by the benchmark and by the tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import signal

Floats = NDArray[np.float64]

#: Normal, with memory, with both, skewed (mild, exponential, wild), heavy-tailed, counts.
KINDS = (
    "normal",
    "AR(1) 0.3",
    "AR(1) 0.5",
    "AR(1) 0.7",
    "AR(1) 0.9",
    "AR(1) 0.9 of exponential",
    "exponential",
    "gamma 2",
    "lognormal 0.5",
    "lognormal 1",
    "Student 5",
    "Poisson 2",
    "Poisson 20",
)
_BURN_IN = 200


def make_noise(kind: str, shape: tuple[int, int], *, seed: int) -> Floats:
    """[series, time] of one kind; not scaled to unit variance."""
    rng = np.random.default_rng(seed)
    name, *numbers = kind.split()
    number = float(numbers[0]) if numbers else 0.0
    if name == "AR(1)":
        longer = (shape[0], shape[1] + _BURN_IN)
        shocks = rng.exponential(size=longer) if kind.endswith("exponential") else rng.normal(size=longer)
        return signal.lfilter([1.0], [1.0, -number], shocks, axis=1)[:, _BURN_IN:]
    drawn = {
        "normal": lambda: rng.normal(size=shape),
        "exponential": lambda: rng.exponential(size=shape),
        "gamma": lambda: rng.gamma(number, size=shape),
        "lognormal": lambda: rng.lognormal(0.0, number, size=shape),
        "Student": lambda: rng.standard_t(number, size=shape),
        "Poisson": lambda: rng.poisson(number, size=shape).astype(float),
    }[name]
    return drawn()
