"""Traces by OpenTelemetry (A12): off, and at no cost, unless OTEL_EXPORTER_OTLP_ENDPOINT names a receiver of OTLP over HTTP.

The SDK is imported only then. Spans carry route templates, addresses without credentials and counts, never values.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from domain.errors import EtlmonError
from resources.json_logs import current_correlation_id

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
#: The tags of a Dagster run under which the correlation id and the trace of its cause travel.
CORRELATION_TAG = "etlmon/correlation_id"
TRACEPARENT_TAG = "etlmon/traceparent"


class OpenSpan:
    """A span under way; without a receiver it swallows what it is told."""

    def __init__(self, span: Span | None = None) -> None:
        self._span = span

    def note(self, **facts: str | float | bool) -> None:
        """Facts with dots written as double underscores: `http__response__status_code=200`."""
        if self._span is not None:
            self._span.set_attributes({name.replace("__", "."): value for name, value in facts.items()})

    def fail(self, error: BaseException) -> None:
        """The span ends with an error; its type is told, its words only where they are ours."""
        if self._span is not None:
            from opentelemetry.trace import Status, StatusCode

            kind = error.error_type if isinstance(error, EtlmonError) else type(error).__name__
            self._span.set_attribute("error.type", kind)
            self._span.set_status(Status(StatusCode.ERROR, kind))

    def end_request(self, *, route: str, status: int, correlation_id: str) -> None:
        """What is known of an API request at its end."""
        if self._span is not None:
            import structlog

            username = str(structlog.contextvars.get_contextvars().get("username", ""))
            method = str(getattr(self._span, "attributes", {}).get("http.request.method", ""))
            self._span.update_name(f"{method} {route}")
            self.note(http__route=route, http__response__status_code=status, etlmon__correlation_id=correlation_id)
            if username:
                self.note(enduser__id=username)
            if status >= 500:
                from opentelemetry.trace import Status, StatusCode

                self._span.set_status(Status(StatusCode.ERROR))


_OFF = OpenSpan()


class _Tracing:
    """The tracer of this process; None while tracing is off."""

    def __init__(self) -> None:
        self.tracer: Tracer | None = None
        self.provider: TracerProvider | None = None


_STATE = _Tracing()


def configure_tracing(service: str) -> None:
    """Turn tracing on when the environment names a receiver. Call once, at the start of a process."""
    if _STATE.tracer is not None or not any(os.environ.get(name) for name in _VARIABLES):
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _STATE.provider, _STATE.tracer = provider, provider.get_tracer("etlmon")


def flush_traces(timeout_ms: int = 5_000) -> None:
    """Send what waits; at the end of short processes."""
    if _STATE.provider is not None:
        _STATE.provider.force_flush(timeout_ms)


def stop_tracing() -> None:
    """Send what waits and turn tracing off."""
    if _STATE.provider is not None:
        _STATE.provider.shutdown()
    _STATE.provider = _STATE.tracer = None


def span(name: str, *, kind: str = "internal", **facts: str | float | bool) -> AbstractContextManager[OpenSpan]:
    """A span for the length of the block; `kind` is internal, client, server, producer or consumer."""
    if _STATE.tracer is None:
        return nullcontext(_OFF)
    return _span(_STATE.tracer, name, kind, facts)


def continued(traceparent: str, name: str, **facts: str | float | bool) -> AbstractContextManager[OpenSpan]:
    """A span whose parent is in another process, given as a W3C traceparent; empty begins a trace."""
    if _STATE.tracer is None:
        return nullcontext(_OFF)
    return _span(_STATE.tracer, name, "consumer", facts, carrier={"traceparent": traceparent})


def request_span(scope: MutableMapping[str, Any]) -> AbstractContextManager[OpenSpan]:
    """The span of an API request, continuing the trace of its caller."""
    if _STATE.tracer is None:
        return nullcontext(_OFF)
    carrier = {
        name.decode(): value.decode("latin-1")
        for name, value in scope["headers"]
        if name in {b"traceparent", b"tracestate"}
    }
    facts = {"http__request__method": scope["method"], "url__scheme": scope["scheme"]}
    return _span(_STATE.tracer, scope["method"], "server", facts, carrier=carrier)


@contextmanager
def _span(
    tracer: Tracer,
    name: str,
    kind: str,
    facts: Mapping[str, str | float | bool],
    *,
    carrier: Mapping[str, str] | None = None,
) -> Iterator[OpenSpan]:
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    parent = TraceContextTextMapPropagator().extract(carrier) if carrier is not None else None
    with tracer.start_as_current_span(
        name,
        context=parent,
        kind=trace.SpanKind[kind.upper()],
        record_exception=False,
        set_status_on_exception=False,
    ) as started:
        opened = OpenSpan(started)
        opened.note(**facts)
        if correlation_id := current_correlation_id():
            opened.note(etlmon__correlation_id=correlation_id)
        try:
            yield opened
        except BaseException as error:
            opened.fail(error)
            raise


def run_tags() -> dict[str, str]:
    """The tags by which a launched Dagster run continues what happens here."""
    correlation_id = current_correlation_id()
    traceparent = trace_headers().get("traceparent")
    return {
        **({CORRELATION_TAG: correlation_id} if correlation_id else {}),
        **({TRACEPARENT_TAG: traceparent} if traceparent else {}),
    }


def trace_headers() -> dict[str, str]:
    """`traceparent` of the present span, for an outgoing call or the tags of a run; empty when tracing is off."""
    if _STATE.tracer is None:
        return {}
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier
