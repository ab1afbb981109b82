"""What the API counts about itself: requests, latencies, requests under way. Read by /metrics.

With several worker processes prometheus_client keeps the numbers in files of PROMETHEUS_MULTIPROC_DIR; `api.__main__`
sets it before this module is imported.
"""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.multiprocess import MultiProcessCollector

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestMetrics:
    """Counters of one app. Labels are route templates, never paths: their number is bounded."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        names = ("route", "method", "status")
        self._requests = Counter(
            "etlmon_http_requests", "Requests answered, by route template.", names, registry=self._registry
        )
        self._seconds = Histogram(
            "etlmon_http_request_duration_seconds",
            "Time from the first byte of a request to the last of its answer.",
            ("route", "method"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._under_way = Gauge(
            "etlmon_http_requests_in_flight",
            "Requests being answered now.",
            multiprocess_mode="livesum",
            registry=self._registry,
        )
        self._limited = Counter(
            "etlmon_http_requests_rate_limited", "Requests refused with 429.", registry=self._registry
        )

    def begin(self) -> None:
        """A request has come."""
        self._under_way.inc()

    def end(self, method: str, route: str, status: int, seconds: float) -> None:
        """It was answered; status 0 means that the client went away before."""
        known = method if method in _METHODS else "other"
        self._under_way.dec()
        self._requests.labels(route, known, str(status)).inc()
        self._seconds.labels(route, known).observe(seconds)
        if status == 429:
            self._limited.inc()

    def registry(self) -> CollectorRegistry:
        """To be read: of this process, or of all workers together. Further collectors may be registered on it."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return self._registry
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return together
