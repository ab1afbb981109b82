"""The HTTP API of Prometheus over the estate: query, query_range, series, labels, label values, health.

Parameters, limits, errors and answers are those of Prometheus 2.42. Only this module and `control_api.py` know HTTP.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import promql_parser as syntax
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from resources.simulator import answer_format
from resources.simulator.grid import last_index_at
from resources.simulator.promql.memo import Memo
from resources.simulator.promql.query import evaluate_instant, evaluate_range, parse_query, select_raw
from resources.simulator.promql.selection import build_matcher
from resources.simulator.promql.values import BadQueryError, Labels, PromqlError
from resources.simulator.sample_store import SampleStore, full_labels

MAX_POINTS = 11_000
GZIP_FROM_BYTES = 1_400
Parameters = dict[str, list[str]]
BUILD = {
    "version": "2.42.0",
    "revision": "etlmon-estate",
    "branch": "",
    "buildUser": "",
    "buildDate": "",
    "goVersion": "",
}


class PrometheusApi:
    """Answers requests from a sample store; `now_ms` tells what has already happened."""

    def __init__(self, store: SampleStore, now_ms: Callable[[], int], *, concurrency: int = 2) -> None:
        self._store, self._now_ms = store, now_ms
        self._memo = Memo()
        self._workers = ThreadPoolExecutor(concurrency, thread_name_prefix="promql")

    def routes(self) -> list[Route]:
        """All routes, GET and POST where Prometheus takes both."""
        both = ["GET", "POST"]
        return [
            Route("/api/v1/query", self._endpoint(self.query), methods=both),
            Route("/api/v1/query_range", self._endpoint(self.query_range), methods=both),
            Route("/api/v1/series", self._endpoint(self.series), methods=both),
            Route("/api/v1/labels", self._endpoint(self.labels), methods=both),
            Route("/api/v1/label/{name}/values", self._endpoint(self.label_values), methods=["GET"]),
            Route("/api/v1/status/buildinfo", self._endpoint(lambda _: answer_format.format_data(BUILD))),
            Route("/", lambda _: PlainTextResponse("The synthetic estate, with the HTTP API of Prometheus.\n")),
            Route("/-/healthy", lambda _: PlainTextResponse("Prometheus Server is Healthy.\n")),
            Route("/-/ready", lambda _: PlainTextResponse("Prometheus Server is Ready.\n")),
        ]

    def _endpoint(self, answer: Callable[[Parameters], bytes]) -> Callable[[Request], Any]:
        def guarded(parameters: Parameters) -> tuple[int, bytes]:
            try:
                return 200, answer(parameters)
            except PromqlError as error:
                return error.status, answer_format.format_error(error.error_type, str(error))

        async def endpoint(request: Request) -> Response:
            parameters = parse_qs(request.url.query, keep_blank_values=True)
            if request.method == "POST":
                for name, values in parse_qs((await request.body()).decode(), keep_blank_values=True).items():
                    parameters[name] = values + parameters.get(name, [])
            parameters.update({f"path.{name}": [value] for name, value in request.path_params.items()})
            encoding = request.headers.get("accept-encoding", "")
            work = partial(_answer_encoded, guarded, parameters, encoding)
            status, body, headers = await asyncio.get_running_loop().run_in_executor(self._workers, work)
            return Response(body, status_code=status, headers=headers)

        return endpoint

    def query(self, parameters: Parameters) -> bytes:
        """GET/POST /api/v1/query."""
        at_ms = parse_instant(parameters, "time", default_ms=self._now_ms())
        query = _text(parameters, "query")
        newest = int(last_index_at(self._now_ms()))
        tree = parse_query(query)
        while isinstance(tree, syntax.ParenExpr):
            tree = tree.expr
        if isinstance(tree, (syntax.MatrixSelector, syntax.SubqueryExpr)):
            return answer_format.format_raw(select_raw(self._store, tree, at_ms=at_ms, newest_index=newest))
        value = evaluate_instant(self._store, query, at_ms=at_ms, newest_index=newest)
        return answer_format.format_instant(value, at_ms)

    def query_range(self, parameters: Parameters) -> bytes:
        """GET/POST /api/v1/query_range."""
        start, end = parse_instant(parameters, "start"), parse_instant(parameters, "end")
        if end < start:
            raise BadQueryError('invalid parameter "end": end timestamp must not be before start time')
        step = parse_step(parameters)
        if (end - start) // step > MAX_POINTS:
            raise BadQueryError(
                "exceeded maximum resolution of 11,000 points per timeseries. "
                "Try decreasing the query resolution (?step=XX)"
            )
        newest = int(last_index_at(self._now_ms()))
        value = evaluate_range(
            self._store,
            _text(parameters, "query"),
            start_ms=start,
            end_ms=end,
            step_ms=step,
            newest_index=newest,
            memo=self._memo,
        )
        return answer_format.format_matrix(value, np.arange(start, end + 1, step, dtype=np.int64))

    def series(self, parameters: Parameters) -> bytes:
        """GET/POST /api/v1/series."""
        if not parameters.get("match[]"):
            raise BadQueryError("no match[] parameter provided")
        return answer_format.format_data(self._matching(parameters))

    def labels(self, parameters: Parameters) -> bytes:
        """GET/POST /api/v1/labels."""
        names = {name for labels in self._matching(parameters) for name in labels}
        return answer_format.format_data(sorted(names))

    def label_values(self, parameters: Parameters) -> bytes:
        """GET /api/v1/label/<name>/values."""
        name = parameters["path.name"][0]
        return answer_format.format_data(sorted({x[name] for x in self._matching(parameters) if name in x}))

    def _matching(self, parameters: Parameters) -> list[Labels]:
        everything = [full_labels(spec) for family in self._store.families for spec in family.series]
        selectors = parameters.get("match[]", [])
        if not selectors:
            return everything
        tests = [build_matcher(_selector(text))[0] for text in selectors]
        return [labels for labels in everything if any(test(labels) for test in tests)]


def _selector(text: str) -> Any:
    tree = parse_query(text)
    if not isinstance(tree, syntax.VectorSelector):
        raise BadQueryError(f'invalid parameter "match[]": {text} is not a series selector')
    return tree


def _answer_encoded(
    answer: Callable[[Parameters], tuple[int, bytes]], parameters: Parameters, encoding: str
) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers; compressed only for those who ask."""
    status, body = answer(parameters)
    headers = {"Content-Type": "application/json"}
    if "gzip" in encoding and len(body) >= GZIP_FROM_BYTES:
        body = gzip.compress(body, compresslevel=1)
        headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return status, body, headers


def _text(parameters: Parameters, name: str) -> str:
    return parameters.get(name, [""])[0]


def parse_instant(parameters: Parameters, name: str, *, default_ms: int | None = None) -> int:
    """Unix seconds or RFC 3339, to milliseconds."""
    text = _text(parameters, name)
    if not text and default_ms is not None:
        return default_ms
    try:
        return round(float(text) * 1000)
    except (ValueError, OverflowError):
        pass
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is not None:
            return round(instant.timestamp() * 1000)
    except ValueError:
        pass
    raise BadQueryError(f'invalid parameter "{name}": cannot parse "{text}" to a valid timestamp')


def parse_step(parameters: Parameters) -> int:
    """Seconds or a duration such as 5m, to milliseconds."""
    text = _text(parameters, "step")
    try:
        step = round(float(text) * 1000)
    except (ValueError, OverflowError):
        try:
            step = round(syntax.parse_duration(text).total_seconds() * 1000)
        except ValueError:
            raise BadQueryError(f'invalid parameter "step": cannot parse "{text}" to a valid duration') from None
    if step <= 0:
        raise BadQueryError(
            'invalid parameter "step": zero or negative query resolution step widths are not accepted. '
            "Try a positive integer"
        )
    return step
