"""Which adapter serves which kind of source, one shared instance each, and a quick look whether a source answers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Protocol

from domain.answers import Answer
from domain.errors import ConfigurationError, EtlmonError
from domain.loaders.definition import Connection, LoaderDefinition
from domain.vocabulary import SourceKind


class PooledSource(Protocol):
    """A `StatisticsSource` that keeps connections open between calls."""

    def fetch(self, loader: LoaderDefinition, connection: Connection, *, start: datetime, end: datetime) -> Answer:
        """See `domain.ports.StatisticsSource.fetch`."""
        ...

    def ping(self, connection: Connection, *, timeout_s: float) -> str:
        """One cheap question; what answered, in a few words. Raises SourceError as `fetch` does."""
        ...

    def close(self) -> None:
        """Release all pooled connections."""
        ...


@dataclass(frozen=True, slots=True)
class PingResult:
    """What `ping` found: `detail` names the server, or carries the error with its suggestion."""

    is_ok: bool
    latency_ms: float
    detail: str


@cache
def source_for(kind: SourceKind) -> PooledSource:
    """The adapter of this kind, the same instance for the whole process, so that connections are reused.

    Raises:
        ConfigurationError: this kind is not fetched from anywhere.
    """
    if kind is SourceKind.PROMETHEUS:
        from resources.metrics_prometheus import PrometheusSource

        return PrometheusSource()
    if kind is SourceKind.ELASTICSEARCH:
        from resources.logs_elasticsearch import ElasticsearchSource

        return ElasticsearchSource()
    if kind is SourceKind.SQL:
        from resources.database_sqlalchemy import SqlSource

        return SqlSource()
    raise ConfigurationError(
        f"a source of kind {kind.value} has nothing to be fetched from",
        suggestion="capture of pushed signals reads the inbox; other kinds are prometheus, elasticsearch and sql",
    )


def ping(connection: Connection, kind: SourceKind, *, timeout_s: float = 3.0) -> PingResult:
    """Whether the source answers a trivial question with these credentials. Never raises for a source that does not.

    One try, not behind the source's circuit breaker: readiness says what the source answers now, not what the breaker
    remembers, and looks at it must neither open the breaker for capture nor use up its trials.
    """
    began_at = time.monotonic()
    try:
        detail, is_ok = source_for(kind).ping(connection, timeout_s=timeout_s), True
    except EtlmonError as error:
        detail, is_ok = str(error), False
    return PingResult(is_ok, round((time.monotonic() - began_at) * 1_000, 1), detail)
