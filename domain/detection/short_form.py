"""Series in the short form of Prometheus's rule tests: "10x5" is five times 10, "1+2x5" is 1 3 5 7 9, "_" is a missing sample.

The count is the number of samples; Prometheus itself would count the repetitions after the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_PART = re.compile(
    r"(?P<start>_|[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?:(?P<step>[+-]\d+(?:\.\d+)?))?(?:x(?P<count>\d+))?", re.IGNORECASE
)
_MOST = 100_000


def expand_values(values: Iterable[float | str | None]) -> list[float | None]:
    """Numbers and missing samples.

    Raises:
        ValueError: a text that is none of the forms, or more than 100,000 samples.
    """
    found: list[float | None] = []
    for value in values:
        if isinstance(value, str):
            found += [number for part in value.split() for number in _expand(part)]
        else:
            found.append(value)
        if len(found) > _MOST:
            raise ValueError(f"more than {_MOST:,} samples")
    return found


def _expand(part: str) -> list[float | None]:
    match = _PART.fullmatch(part)
    if match is None:
        raise ValueError(f'{part!r} is none of 10, "10x5", "1+2x5", "_", "_x5"')
    count, step = int(match["count"] or 1), float(match["step"] or 0.0)
    if count > _MOST:
        raise ValueError(f"more than {_MOST:,} samples")
    if match["start"] == "_":
        return [None] * count
    return [float(match["start"]) + step * position for position in range(count)]
