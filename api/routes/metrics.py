"""/metrics in the text format of Prometheus: what the API counts of itself, and the numbers of the platform (A12).

Open where only this machine can ask (the API on loopback); elsewhere for users who may read the platform, or for who knows
ETLMON_METRICS_TOKEN.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterator
from typing import cast

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.access import public
from api.edge_metrics import RequestMetrics
from domain.access.permissions import Caller
from domain.errors import NotAuthenticatedError
from resources.own_numbers import PlatformNumbers
from resources.settings import Settings

router = APIRouter(tags=["health"])
_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


#: For who may read the breakers, and for scrapers; its labels are ids and kinds, never addresses.
_BREAKERS = "circuit_breaker_state"


class _Platform(Collector):
    """The numbers of the platform as gauges."""

    def __init__(self, numbers: PlatformNumbers, *, has_breakers: bool) -> None:
        self._numbers = numbers
        self._has_breakers = has_breakers

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client."""
        for number in self._numbers.read():
            if number.name == _BREAKERS and not self._has_breakers:
                continue
            family = GaugeMetricFamily(f"etlmon_{number.name}", number.text, labels=number.labels)
            for labels, value in number.values:
                family.add_metric(labels, value)
            yield family


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus text"}},
)
@public
def read_metrics(request: Request) -> Response:
    """Counters and gauges, to be scraped."""
    _require_scraper(request)
    metrics: RequestMetrics = request.app.state.metrics
    platform = CollectorRegistry()
    caller = cast("Caller | None", request.state.caller)
    has_breakers = caller is None or caller.may("breakers", "read")
    platform.register(_Platform(request.app.state.platform_numbers, has_breakers=has_breakers))
    return Response(generate_latest(metrics.registry()) + generate_latest(platform), media_type=_CONTENT_TYPE)


def _require_scraper(request: Request) -> None:
    settings: Settings = request.app.state.control_plane.settings
    caller = cast("Caller | None", request.state.caller)
    if caller is not None and caller.may("platform", "read"):
        return
    if settings.metrics_token is None:
        if _is_loopback(settings.api_host):
            return
    else:
        given = request.headers.get("authorization", "").encode()
        if secrets.compare_digest(given, f"Bearer {settings.metrics_token.get_secret_value()}".encode()):
            return
    raise NotAuthenticatedError(
        "/metrics is not open here", suggestion="send `Authorization: Bearer` with ETLMON_METRICS_TOKEN, or log in"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
