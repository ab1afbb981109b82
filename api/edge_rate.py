"""The rate limit at the edge: one request is taken from the counter of its user or its address, after authentication (A13)."""

from __future__ import annotations

from fastapi import Request

from api.client_address import visitor_of
from domain.access.permissions import Caller
from domain.access.rate_limits import decide_limit
from domain.errors import RateLimitedError
from resources.access.rate_counter import RateCounter, RateVerdict
from resources.access.rate_limits import RateLimits

#: What orchestrators and scrapers ask all the time; answered from a cache.
_FREE = frozenset({"/healthz", "/livez", "/readyz", "/metrics"})


class RateGate:
    """Counts requests against the limits in force."""

    def __init__(self, limits: RateLimits, counter: RateCounter, *, default_per_minute: int) -> None:
        self._limits = limits
        self._counter = counter
        self._default = default_per_minute

    def admit(self, request: Request, caller: Caller | None) -> None:
        """Count one request; the verdict goes into the headers of the answer.

        Raises:
            RateLimitedError: over the limit; the context has `retry_after_s`.
        """
        route = route_of(request)
        if request.url.path in _FREE:
            return
        applied = decide_limit(
            self._limits.present(), default=self._default, route=route, caller=caller, address=visitor_of(request).ip
        )
        verdict = self._counter.count(applied)
        request.scope["etlmon.rate"] = verdict
        if not verdict.is_allowed:
            raise RateLimitedError(
                f"more than {verdict.limit} requests a minute",
                suggestion=f"wait {verdict.retry_after_s} s; an ADMIN can change the limit under /api/v1/rate-limits",
                retry_after_s=verdict.retry_after_s,
            )


def route_of(request: Request) -> str:
    """Method and path template; unknown paths share one name, so that guessing them opens no counters."""
    path = getattr(request.scope.get("route"), "path", "")
    return f"{request.method} {path}" if path else "no route"


def rate_headers(verdict: RateVerdict) -> list[tuple[bytes, bytes]]:
    """The header fields of the IETF draft."""
    return [
        (b"ratelimit-limit", b"%d" % verdict.limit),
        (b"ratelimit-remaining", b"%d" % verdict.remaining),
        (b"ratelimit-reset", b"%d" % verdict.reset_s),
        (b"ratelimit-policy", b"%d;w=60" % verdict.limit),
    ]
