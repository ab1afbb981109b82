"""The outermost layer of the API: one pass over every request and every answer.

Binds the correlation id, refuses what is malformed or too large, adds the security and rate-limit headers, turns defects
into problem documents, measures, and writes one line of access log. Pure ASGI: it costs microseconds and covers streams.
"""

from __future__ import annotations

import time

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.correlation import HEADER_NAME, correlation_of
from api.edge_body import is_checked_json, limit_of, limited, read_checked_json, refuse_body
from api.edge_headers import security_headers
from api.edge_metrics import RequestMetrics
from api.edge_rate import rate_headers
from api.edge_request import RequestRules
from api.problems import problem_of, problem_of_defect, problem_of_http
from domain.errors import EtlmonError
from resources import tracing
from resources.json_logs import correlated, get_logger


class EdgeMiddleware:
    """Around the whole app."""

    def __init__(self, app: ASGIApp, *, rules: RequestRules, metrics: RequestMetrics) -> None:
        self._app = app
        self._rules = rules
        self._metrics = metrics
        self._log = get_logger("api.access")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the module."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        correlation_id = correlation_of(scope["headers"])
        answer = _Answer(scope, correlation_id, send)
        started = time.perf_counter()
        self._metrics.begin()
        with correlated(correlation_id, requestPath=scope["path"]), tracing.request_span(scope) as span:
            try:
                await self._pass_on(scope, receive, answer)
            finally:
                route = getattr(scope.get("route"), "path", "") or "unmatched"
                seconds = time.perf_counter() - started
                self._metrics.end(scope["method"], route, answer.status, seconds)
                span.end_request(route=route, status=answer.status, correlation_id=correlation_id)
                self._log.info(
                    "request",
                    method=scope["method"],
                    route=route,
                    status=answer.status,
                    duration_ms=round(seconds * 1000, 1),
                )

    def _check(self, scope: Scope) -> None:
        refusal = self._rules.refuse(scope) or refuse_body(scope)
        if refusal is not None:
            raise refusal

    async def _pass_on(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        try:
            self._check(scope)
            receive = limited(receive, limit_of(scope["path"]))
            if is_checked_json(scope):
                receive = await read_checked_json(receive)
            await self._app(scope, receive, answer.send)
        except Exception as error:  # nothing of a defect leaves the process but its correlation id
            if answer.status:
                raise
            if isinstance(error, EtlmonError):
                document = problem_of(error)
            elif isinstance(error, HTTPException):
                document = problem_of_http(error, scope["method"], scope["path"])
            else:
                document = problem_of_defect(error)
            await document(scope, receive, answer.send)


class _Answer:
    """The way out: what every answer carries is added when it starts."""

    def __init__(self, scope: Scope, correlation_id: str, send: Send) -> None:
        self._scope = scope
        self._correlation_id = correlation_id
        self._send = send
        self.status = 0

    async def send(self, message: Message) -> None:
        """An ASGI `send`."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message["headers"])
            headers.append((HEADER_NAME, self._correlation_id.encode()))
            headers += security_headers(self._scope, headers)
            if verdict := self._scope.get("etlmon.rate"):
                headers += rate_headers(verdict)
            message["headers"] = headers
        await self._send(message)
