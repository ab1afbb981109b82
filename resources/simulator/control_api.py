"""The control routes of the simulator: status, catalogue, ground truth, start and stop of faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from domain.errors import ConflictError, EtlmonError, InputDataError, NotFoundError
from resources.simulator.estate import Estate
from resources.simulator.feeds import Feeds
from resources.simulator.ground_truth import describe_fault, describe_window

STATUS_OF: dict[type[EtlmonError], int] = {NotFoundError: 404, ConflictError: 409}


class ControlApi:
    """Thin: parses, calls the journal, answers."""

    def __init__(self, estate: Estate, feeds: Feeds, now_s: Callable[[], float], urls: dict[str, str]) -> None:
        self._estate, self._feeds, self._now_s, self._urls = estate, feeds, now_s, urls

    def routes(self) -> list[Route]:
        """All control routes."""
        return [
            Route("/simulator/status", self._guard(self._status), methods=["GET"]),
            Route("/simulator/faults", self._guard(self._list), methods=["GET"]),
            Route("/simulator/faults", self._guard(self._start), methods=["POST"]),
            Route("/simulator/faults/{name}", self._guard(self._stop), methods=["DELETE"]),
            Route("/simulator/ground-truth", self._guard(self._truth), methods=["GET"]),
        ]

    def _guard(self, answer: Callable[[Request, bytes], Any]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            body = await request.body()
            try:
                content, status = await run_in_threadpool(answer, request, body), 200
            except EtlmonError as error:
                content, status = error.as_dict(), STATUS_OF.get(type(error), 400)
            return Response(orjson.dumps(content), status_code=status, media_type="application/json")

        return endpoint

    def _status(self, _: Request, __: bytes) -> dict[str, Any]:
        record = self._estate.record
        series = sum(len(family.series) for family in self._estate.samples.families)
        return {
            "ready": True,
            **self._urls,
            "seed": record.seed,
            "history_start_s": record.begin_ms / 1000,
            "series": series,
            **self._feeds.status(),
        }

    def _list(self, _: Request, __: bytes) -> list[dict[str, Any]]:
        return [describe_fault(fault) for fault in self._estate.catalogue.faults]

    def _truth(self, _: Request, __: bytes) -> list[dict[str, Any]]:
        now_s = self._now_s()
        catalogue = self._estate.catalogue
        return [describe_window(catalogue, window, now_s=now_s) for window in self._estate.journal.read()]

    def _start(self, _: Request, body: bytes) -> dict[str, Any]:
        try:
            wanted = orjson.loads(body)
            name, at_s, for_s = wanted["name"], wanted.get("at_s"), wanted.get("for_s")
        except (orjson.JSONDecodeError, KeyError, AttributeError, TypeError):
            raise InputDataError(
                "the body is not a JSON object with `name`", suggestion='send {"name": "slow-database", "for_s": 600}'
            ) from None
        window = self._estate.journal.start(name, at_s=self._now_s() if at_s is None else at_s, for_s=for_s)
        self._estate.reload_faults()
        return describe_window(self._estate.catalogue, window, now_s=self._now_s())

    def _stop(self, request: Request, _: bytes) -> list[dict[str, Any]]:
        windows = self._estate.journal.stop(request.path_params["name"], at_s=self._now_s())
        self._estate.reload_faults()
        return [describe_window(self._estate.catalogue, window, now_s=self._now_s()) for window in windows]
