"""The answer of a condition: what it says of each sample."""

from __future__ import annotations

from dataclasses import dataclass

from domain.detection.firing import Bools, Ints
from domain.detection.window import Floats


@dataclass(frozen=True, slots=True)
class Judged:
    """Samples with a judgement: arrays [sample] sorted by series position, then time. `limit` is what `value` was held against."""

    position: Ints
    at_us: Ints
    value: Floats
    is_bad: Bools
    is_good: Bools
    limit: Floats
