"""What expressions evaluate to: instant vectors over all steps at once, scalars, strings; and the errors they raise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from resources.simulator.grid import Bools, Floats

Labels = dict[str, str]
LabelKey = tuple[tuple[str, str], ...]


class PromqlError(Exception):
    """A query that Prometheus would refuse. `error_type` and `status` are those of its HTTP API."""

    def __init__(self, text: str, *, error_type: str = "execution", status: int = 422) -> None:
        super().__init__(text)
        self.error_type, self.status = error_type, status


class BadQueryError(PromqlError):
    """The request itself is wrong: parse errors, wrong parameters."""

    def __init__(self, text: str) -> None:
        super().__init__(text, error_type="bad_data", status=400)


@dataclass(frozen=True)
class Vector:
    """Rows of one value per step: `labels[i]` names row i, `present` tells values (which may be NaN) from gaps."""

    labels: list[Labels]
    values: Floats
    present: Bools

    def without_name(self) -> Vector:
        """The same rows without metric names.

        Raises:
            PromqlError: two rows would have the same labels at the same step.
        """
        labels = [{k: v for k, v in row.items() if k != "__name__"} for row in self.labels]
        return merge_rows(labels, self.values, self.present)


@dataclass(frozen=True)
class Scalar:
    """One value per step."""

    values: Floats


@dataclass(frozen=True)
class Text:
    """A string literal."""

    text: str


Value = Vector | Scalar | Text


def label_key(labels: Labels) -> LabelKey:
    """Labels as a sortable, hashable key."""
    return tuple(sorted(labels.items()))


def empty_vector(steps: int) -> Vector:
    """A vector without rows."""
    return Vector([], np.empty((0, steps)), np.empty((0, steps), dtype=bool))


def merge_rows(labels: Sequence[Labels], values: Floats, present: Bools) -> Vector:
    """Rows with equal labels become one row; they must not overlap in time."""
    first: dict[LabelKey, int] = {}
    for i, row in enumerate(labels):
        first.setdefault(label_key(row), i)
    if len(first) == len(labels):
        return Vector(list(labels), values, present)
    values, present = values.copy(), present.copy()
    for i, row in enumerate(labels):
        target = first[label_key(row)]
        if target != i:
            if (present[target] & present[i]).any():
                raise PromqlError("vector cannot contain metrics with the same labelset")
            values[target] = np.where(present[i], values[i], values[target])
            present[target] |= present[i]
    keep = list(first.values())
    return Vector([labels[i] for i in keep], values[keep], present[keep])
