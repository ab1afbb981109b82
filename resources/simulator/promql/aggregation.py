"""Aggregation over rows: sum, avg, min, max, count, group, stddev, stdvar, quantile, topk, bottomk; by and without."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from resources.simulator.grid import Bools, Floats
from resources.simulator.promql.values import LabelKey, Labels, PromqlError, Vector, empty_vector, label_key

Reduce = Callable[[Floats, Bools], Floats]


def _only(values: Floats, present: Bools) -> Floats:
    """Zero where nothing is present."""
    return values if present.all() else np.where(present, values, 0.0)


def _mean(values: Floats, present: Bools) -> Floats:
    mean: Floats = _only(values, present).sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    return mean


def _variance(values: Floats, present: Bools) -> Floats:
    centred = np.where(present, values - _mean(values, present)[None, :], 0.0)
    variance: Floats = (centred**2).sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    return variance


REDUCTIONS: dict[str, Reduce] = {
    "sum": lambda values, present: _only(values, present).sum(axis=0),
    "avg": _mean,
    "min": lambda values, present: np.fmin.reduce(np.where(present, values, np.nan), axis=0),
    "max": lambda values, present: np.fmax.reduce(np.where(present, values, np.nan), axis=0),
    "count": lambda _, present: present.sum(axis=0).astype(np.float64),
    "group": lambda values, _: np.ones(values.shape[1]),
    "stdvar": _variance,
    "stddev": lambda values, present: np.sqrt(_variance(values, present)),
}


def aggregate(op: str, vector: Vector, *, labels: list[str], is_without: bool, parameter: Floats | None) -> Vector:
    """One row per group for reductions; the chosen rows themselves for topk and bottomk.

    Args:
        labels: of `by`, or of `without` when `is_without`; empty `by` makes one group.
        parameter: per step, of quantile, topk and bottomk.
    """
    groups: dict[LabelKey, list[int]] = {}
    for i, row in enumerate(vector.labels):
        groups.setdefault(label_key(_group_labels(row, labels, is_without=is_without)), []).append(i)
    if not groups:
        return empty_vector(vector.values.shape[1])
    if op in {"topk", "bottomk"}:
        assert parameter is not None
        return _choose(vector, list(groups.values()), parameter, is_largest=op == "topk")
    if op == "quantile":
        assert parameter is not None
        q = parameter
        reduce: Reduce = lambda values, present: _quantile(values, present, q)  # noqa: E731
    elif op in REDUCTIONS:
        reduce = REDUCTIONS[op]
    else:
        raise PromqlError(f"the synthetic estate does not evaluate the aggregation {op!r}")
    rows = list(groups.values())
    with np.errstate(invalid="ignore"):
        values = np.array([reduce(vector.values[i], vector.present[i]) for i in rows])
    present = np.array([vector.present[i].any(axis=0) for i in rows])
    return Vector([dict(key) for key in groups], values, present)


def _group_labels(row: Labels, labels: list[str], *, is_without: bool) -> Labels:
    if is_without:
        return {k: v for k, v in row.items() if k not in labels and k != "__name__"}
    return {k: row[k] for k in labels if row.get(k)}


def _quantile(values: Floats, present: Bools, q: Floats) -> Floats:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # steps without values are not present
        inside = np.where(present, values, np.nan)
        answer: Floats = np.nanquantile(inside, float(np.clip(q[0], 0, 1)), axis=0)
    if q[0] < 0 or q[0] > 1:
        return np.full_like(answer, np.copysign(np.inf, q[0] - 0.5))
    return answer


def _choose(vector: Vector, groups: list[list[int]], parameter: Floats, *, is_largest: bool) -> Vector:
    chosen = np.zeros_like(vector.present)
    for rows in groups:
        key = vector.values[rows] * (-1.0 if is_largest else 1.0)
        key = np.where(np.isnan(key), np.finfo(float).max, key)
        key = np.where(vector.present[rows], key, np.inf)
        rank = np.argsort(np.argsort(key, axis=0, kind="stable"), axis=0, kind="stable")
        chosen[rows] = (rank < np.floor(parameter)[None, :]) & vector.present[rows]
    keep = np.flatnonzero(chosen.any(axis=1))
    return Vector([vector.labels[i] for i in keep], vector.values[keep], chosen[keep])
