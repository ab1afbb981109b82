"""Counting requests in a sliding minute: in Redis for all processes together, or in memory for this one alone (A13).

A Redis that is away never stops a request: this process counts for itself until it answers again, says so once in the
log, and `is_degraded` shows it in /readyz.
"""

from __future__ import annotations

import importlib
import math
import time
from dataclasses import dataclass
from typing import Any

from limits import RateLimitItemPerMinute
from limits.errors import StorageError as LimitsStorageError
from limits.storage import MemoryStorage, storage_from_string
from limits.strategies import SlidingWindowCounterRateLimiter

from domain.access.rate_limits import AppliedLimit
from resources.json_logs import get_logger

_PATIENCE_S = 0.25
_PAUSE_S = 1.0
_WINDOW_S = 60


@dataclass(frozen=True, slots=True)
class RateVerdict:
    """What became of one request: `reset_s` is when one more request is free, `retry_after_s` when a refused one may return."""

    is_allowed: bool
    limit: int
    remaining: int
    reset_s: int

    @property
    def retry_after_s(self) -> int:
        """Seconds after which the next request is certainly free, when nobody else asks meanwhile."""
        return max(1, self.reset_s + math.ceil(_WINDOW_S / self.limit))


class RateCounter:
    """Counters by name. Safe to share between threads."""

    def __init__(self, redis_url: str | None = None) -> None:
        self._own = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._shared = _over_redis(redis_url) if redis_url else None
        self._retry_at = float("-inf")
        self.is_degraded = False

    @property
    def is_shared(self) -> bool:
        """Whether a Redis is configured."""
        return self._shared is not None

    def count(self, applied: AppliedLimit) -> RateVerdict:
        """Take one request from the counter. A refused one is not counted."""
        item = RateLimitItemPerMinute(applied.per_minute, namespace="etlmon")
        if self._shared is not None and time.monotonic() >= self._retry_at:
            try:
                verdict = _count(self._shared, item, applied)
            except LimitsStorageError as error:
                self._fall_back(error)
            else:
                self._recover()
                return verdict
        return _count(self._own, item, applied)

    def check(self) -> None:
        """Ask Redis now; for /readyz. Raises ConnectionError when it does not answer."""
        if self._shared is None:
            return
        try:
            is_there = self._shared.storage.check()
        except LimitsStorageError:
            is_there = False
        if not is_there:
            raise ConnectionError("Redis does not answer; each process counts for itself")

    def _fall_back(self, error: BaseException) -> None:
        self._retry_at = time.monotonic() + _PAUSE_S
        if not self.is_degraded:
            self.is_degraded = True
            get_logger(__name__).warning(
                "Redis does not answer: each process counts for itself until it does",
                reason=type(error.__cause__ or error).__name__,
                suggestion="check ETLMON_REDIS_URL and the Redis behind it",
            )

    def _recover(self) -> None:
        if self.is_degraded:
            self.is_degraded = False
            get_logger(__name__).info("Redis answers again: requests are counted together")


def _over_redis(url: str) -> SlidingWindowCounterRateLimiter:
    """Connects at the first count. `limits` takes a half-imported client as it is when two threads come first: import it whole."""
    importlib.import_module("redis")
    patience: dict[str, Any] = {"socket_timeout": _PATIENCE_S, "socket_connect_timeout": _PATIENCE_S}
    return SlidingWindowCounterRateLimiter(storage_from_string(url, wrap_exceptions=True, **patience))


def _count(
    limiter: SlidingWindowCounterRateLimiter, item: RateLimitItemPerMinute, applied: AppliedLimit
) -> RateVerdict:
    is_allowed = limiter.hit(item, applied.counter)
    state = limiter.get_window_stats(item, applied.counter)
    reset_s = max(0, math.ceil(state.reset_time - time.time()))
    return RateVerdict(is_allowed, applied.per_minute, max(0, state.remaining), reset_s)
