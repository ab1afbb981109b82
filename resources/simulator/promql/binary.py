"""Binary operators: arithmetic, comparison and set operators between scalars and vectors, with vector matching."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from resources.simulator.grid import Bools, Floats
from resources.simulator.promql.values import LabelKey, Labels, PromqlError, Scalar, Vector, label_key, merge_rows

Operator = Callable[[Floats, Floats], Any]
ARITHMETIC: dict[str, Operator] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.power,
    "atan2": np.arctan2,
}
COMPARISON: dict[str, Operator] = {
    "==": np.equal,
    "!=": np.not_equal,
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
}


def apply_binary(op: str, left: Vector | Scalar, right: Vector | Scalar, modifier: Any) -> Vector | Scalar:
    """The value of `left op right`.

    Raises:
        PromqlError: an ambiguous match, with the words of Prometheus.
    """
    is_bool = bool(modifier is not None and modifier.return_bool)
    with np.errstate(all="ignore"):
        if isinstance(left, Scalar) and isinstance(right, Scalar):
            return Scalar(_compute(op, left.values, right.values).astype(np.float64))
        if isinstance(left, Scalar):
            assert isinstance(right, Vector)
            return _with_scalar(op, right, left.values, is_bool=is_bool, is_swapped=True)
        if isinstance(right, Scalar):
            return _with_scalar(op, left, right.values, is_bool=is_bool, is_swapped=False)
        if op in {"and", "or", "unless"}:
            return _apply_set(op, left, right, modifier)
        return _match(op, left, right, modifier, is_bool=is_bool)


def _compute(op: str, left: Floats, right: Floats) -> Any:
    operator = ARITHMETIC.get(op) or COMPARISON[op]
    return operator(left, right)


def _with_scalar(op: str, vector: Vector, scalar: Floats, *, is_bool: bool, is_swapped: bool) -> Vector:
    sides = (scalar[None, :], vector.values) if is_swapped else (vector.values, scalar[None, :])
    answer = _compute(op, *sides)
    if op in ARITHMETIC or is_bool:
        return Vector(vector.labels, answer.astype(np.float64), vector.present).without_name()
    return _keep_rows(Vector(vector.labels, vector.values, vector.present & answer))


def _keep_rows(vector: Vector) -> Vector:
    keep = np.flatnonzero(vector.present.any(axis=1))
    return Vector([vector.labels[i] for i in keep], vector.values[keep], vector.present[keep])


def _signature(modifier: Any) -> Callable[[Labels], LabelKey]:
    matching = None if modifier is None else modifier.matching
    names = set() if matching is None else set(matching.labels)
    if matching is not None and str(matching.type).endswith("Include"):
        return lambda labels: label_key({k: v for k, v in labels.items() if k in names})
    return lambda labels: label_key({k: v for k, v in labels.items() if k not in names and k != "__name__"})


def _apply_set(op: str, left: Vector, right: Vector, modifier: Any) -> Vector:
    signature = _signature(modifier)
    here = _presence(left, signature)
    there = _presence(right, signature)
    if op == "or":
        uncovered = _masked(right, here, signature, keep_matched=False)
        return merge_rows(
            [*left.labels, *uncovered.labels],
            np.concatenate([left.values, uncovered.values]),
            np.concatenate([left.present, uncovered.present]),
        )
    return _masked(left, there, signature, keep_matched=op == "and")


def _presence(vector: Vector, signature: Callable[[Labels], LabelKey]) -> dict[LabelKey, Bools]:
    found: dict[LabelKey, Bools] = {}
    for i, row in enumerate(vector.labels):
        key = signature(row)
        found[key] = found[key] | vector.present[i] if key in found else vector.present[i]
    return found


def _masked(
    vector: Vector, other: dict[LabelKey, Bools], signature: Callable[[Labels], LabelKey], *, keep_matched: bool
) -> Vector:
    present = vector.present.copy()
    for i, row in enumerate(vector.labels):
        matched = other.get(signature(row), np.zeros(present.shape[1], dtype=bool))
        present[i] &= matched if keep_matched else ~matched
    return _keep_rows(Vector(vector.labels, vector.values, present))


def _match(op: str, left: Vector, right: Vector, modifier: Any, *, is_bool: bool) -> Vector:
    card = "OneToOne" if modifier is None else str(modifier.card).rsplit(".", 1)[-1]
    is_swapped = card == "OneToMany"
    many, one = (right, left) if is_swapped else (left, right)
    signature = _signature(modifier)
    lookup = _unique_side(one, signature, side="left" if is_swapped else "right")
    pairs = [(i, lookup[signature(row)]) for i, row in enumerate(many.labels) if signature(row) in lookup]
    if card == "OneToOne":
        _unique_side(many, signature, side="left", is_many=True)
    a, b = [i for i, _ in pairs], [values for _, values in pairs]
    steps = many.values.shape[1]
    one_values = np.array([v for v, _ in b]).reshape(len(b), steps)
    present = many.present[a] & np.array([p for _, p in b], dtype=bool).reshape(len(b), steps)
    many_values = many.values[a]
    sides = (one_values, many_values) if is_swapped else (many_values, one_values)
    answer = _compute(op, *sides)
    keeps_value = op in COMPARISON and not is_bool
    labels = [_result_labels(many.labels[i], one, signature, modifier, drop_name=not keeps_value, card=card) for i in a]
    if keeps_value:
        kept = sides[0]
        return _keep_rows(merge_rows(labels, kept, present & answer))
    return _keep_rows(merge_rows(labels, answer.astype(np.float64), present))


def _unique_side(
    vector: Vector, signature: Callable[[Labels], LabelKey], *, side: str, is_many: bool = False
) -> dict[LabelKey, tuple[Floats, Bools]]:
    found: dict[LabelKey, tuple[Floats, Bools]] = {}
    for i, row in enumerate(vector.labels):
        key = signature(row)
        if key not in found:
            found[key] = (vector.values[i], vector.present[i])
            continue
        values, present = found[key]
        if (present & vector.present[i]).any():
            if is_many:
                raise PromqlError(
                    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
                )
            group = ", ".join(f'{k}="{v}"' for k, v in key)
            raise PromqlError(
                f"found duplicate series for the match group {{{group}}} on the {side} hand-side of the operation;"
                "many-to-many matching not allowed: matching labels must be unique on one side"
            )
        found[key] = (np.where(vector.present[i], vector.values[i], values), present | vector.present[i])
    return found


def _result_labels(
    row: Labels, one: Vector, signature: Callable[[Labels], LabelKey], modifier: Any, *, drop_name: bool, card: str
) -> Labels:
    labels = {k: v for k, v in row.items() if not (drop_name and k == "__name__")}
    if modifier is None:
        return labels
    if card == "OneToOne" and modifier.matching is not None:
        names = set(modifier.matching.labels)
        is_on = str(modifier.matching.type).endswith("Include")
        return {k: v for k, v in labels.items() if (k in names) == is_on}
    if modifier.group_labels:
        other = next(x for x in one.labels if signature(x) == signature(row))
        for name in modifier.group_labels:
            labels.pop(name, None)
            if other.get(name):
                labels[name] = other[name]
    return labels
