"""histogram_quantile over classic buckets. Source: Prometheus 2.42, promql/quantile.go (bucketQuantile)."""

from __future__ import annotations

import numpy as np

from resources.simulator.grid import Floats
from resources.simulator.promql.values import LabelKey, Vector, empty_vector, label_key


def compute_histogram_quantile(q: Floats, vector: Vector) -> Vector:
    """One row per group of buckets (all labels but `le`); NaN where a histogram is empty or lacks +Inf."""
    groups: dict[LabelKey, list[tuple[float, int]]] = {}
    for i, row in enumerate(vector.labels):
        bound = _parse_bound(row.get("le", ""))
        if bound is not None:
            key = label_key({k: v for k, v in row.items() if k not in {"le", "__name__"}})
            groups.setdefault(key, []).append((bound, i))
    if not groups:
        return empty_vector(vector.values.shape[1])
    rows = [sorted(members) for members in groups.values()]
    values = np.array([_compute_group(q, vector, members) for members in rows])
    present = np.array([vector.present[[i for _, i in members]].any(axis=0) for members in rows])
    return Vector([dict(key) for key in groups], values, present)


def _parse_bound(le: str) -> float | None:
    try:
        return float(le)
    except ValueError:
        return None


def _compute_group(q: Floats, vector: Vector, members: list[tuple[float, int]]) -> Floats:
    """Steps with the same set of present buckets are computed together."""
    bounds = np.array([bound for bound, _ in members])
    index = [i for _, i in members]
    present, counts = vector.present[index], vector.values[index]
    answer = np.full(present.shape[1], np.nan)
    patterns = np.unique(present, axis=1) if not present.all() else present[:, :1]
    for pattern in patterns.T:
        steps = (present == pattern[:, None]).all(axis=0)
        if pattern.any():
            answer[steps] = _compute_quantile(q[steps], bounds[pattern], counts[pattern][:, steps])
    return answer


def _compute_quantile(q: Floats, bounds: Floats, counts: Floats) -> Floats:
    if bounds.size < 2 or not np.isposinf(bounds[-1]):
        return np.full(q.shape, np.nan)
    counts = np.fmax.accumulate(counts, axis=0)  # small inconsistencies between scrapes never make a bucket shrink
    total = counts[-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        rank = q * total
        bucket = np.minimum((counts[:-1] < rank[None, :]).sum(axis=0), bounds.size - 1)
        lower = np.where(bucket > 0, bounds[np.maximum(bucket - 1, 0)], 0.0)
        below = np.where(bucket > 0, np.take_along_axis(counts, np.maximum(bucket - 1, 0)[None, :], axis=0)[0], 0.0)
        inside = np.take_along_axis(counts, bucket[None, :], axis=0)[0] - below
        answer = lower + (bounds[bucket] - lower) * ((rank - below) / inside)
        answer = np.where(bucket == bounds.size - 1, bounds[-2], answer)
        answer = np.where((bucket == 0) & (bounds[0] <= 0), bounds[0], answer)
        answer = np.where(total == 0, np.nan, answer)
        answer = np.where(q < 0, -np.inf, np.where(q > 1, np.inf, answer))
    checked: Floats = np.where(np.isnan(total) | np.isnan(q), np.nan, answer)
    return checked
