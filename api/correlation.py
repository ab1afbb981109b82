"""The correlation id at the edge: accepted from the caller or made here, on every log line and every answer (A10)."""

from __future__ import annotations

import re
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from resources.json_logs import correlated, get_logger, new_correlation_id

HEADER = "X-Correlation-ID"
_ACCEPTED = re.compile(rb"^[A-Za-z0-9._:-]{1,128}$")


class CorrelationMiddleware:
    """Pure ASGI, so that it costs microseconds and covers streaming answers too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._log = get_logger("api.access")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Bind the id, pass on, log one line per request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(HEADER.lower().encode(), b"")
        correlation_id = given.decode() if _ACCEPTED.match(given) else new_correlation_id()
        started, status = time.perf_counter(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (HEADER.lower().encode(), correlation_id.encode())]
            await send(message)

        with correlated(correlation_id, requestPath=scope["path"]):
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                took = round((time.perf_counter() - started) * 1000, 1)
                self._log.info("request", method=scope["method"], status=status, duration_ms=took)
