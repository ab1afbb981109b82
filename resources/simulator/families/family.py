"""A family: metrics that are computed together, as a fixed list of series and one function of a day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from resources.simulator.estate_day import EstateDay
from resources.simulator.grid import Floats

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.4, 0.6, 1.0, 1.5, 2.5, 5.0, 10.0)
BUCKET_LABELS = (*(f"{le:g}" for le in BUCKETS_S), "+Inf")


@dataclass(frozen=True)
class SeriesSpec:
    """One raw series.

    Attributes:
        name: metric name.
        labels: labels without the name.
        owner: component or node whose scrape carries the series; a lost scrape hides it.
        is_counter: `compute` yields increments, which the store cumulates and resets on deploys.
        is_whole: the counter shows whole numbers.
        pod: the pod whose restart resets the counter, if it belongs to one.
        is_masked: a lost scrape hides the series (not so for `up` itself).
    """

    name: str
    labels: dict[str, str]
    owner: str
    is_counter: bool = False
    is_whole: bool = True
    pod: str = ""
    is_masked: bool = True


@dataclass(frozen=True)
class Family:
    """`compute(day)` yields [len(series), SAMPLES_PER_DAY]: values of gauges, increments of counters."""

    name: str
    series: list[SeriesSpec]
    compute: Callable[[EstateDay], Floats]

    @property
    def metric_names(self) -> set[str]:
        """Every metric name in it."""
        return {spec.name for spec in self.series}


def compute_bucket_increments(counts: Floats, median_s: Floats, sigma: float) -> Floats:
    """[len(BUCKETS_S) + 3, K] increments of a histogram: buckets, +Inf, sum, count, for log-normal durations."""
    edges = np.log(np.array(BUCKETS_S))[:, None]
    below = ndtr((edges - np.log(median_s)[None, :]) / sigma)
    mean_s = median_s * np.exp(sigma**2 / 2)
    rows: Floats = np.vstack([counts * below, counts, counts * mean_s, counts])
    return rows


def build_histogram_series(name: str, labels: dict[str, str], owner: str) -> list[SeriesSpec]:
    """Series in the order of `compute_bucket_increments`."""
    buckets = [SeriesSpec(f"{name}_bucket", {**labels, "le": le}, owner, is_counter=True) for le in BUCKET_LABELS]
    return [
        *buckets,
        SeriesSpec(f"{name}_sum", labels, owner, is_counter=True, is_whole=False),
        SeriesSpec(f"{name}_count", labels, owner, is_counter=True),
    ]
