"""Simulated providers behind the simulator's HTTP server: they take what our adapters send, and show it.

`/receivers` is the page "what each channel got"; `/simulator/received` the same as JSON; faults and the script of calls are set
under `/simulator/receivers/`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import fields
from html import escape
from typing import Any
from urllib.parse import parse_qs

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from domain.errors import EtlmonError, InputDataError, NotFoundError
from resources.simulator.jira import FakeJira
from resources.simulator.jira_store import JiraStore
from resources.simulator.received import RECEIVERS, CallScript, Fault, ReceivedBook
from resources.simulator.receivers_answers import ANSWERS, Answer
from resources.simulator.receivers_page import render_received, render_ticket
from resources.simulator.receivers_twilio import FakeTwilio

_OUTCOMES = ("answered", "busy", "no-answer", "failed", "machine")


class Receivers:
    """Routes of all receivers, and of what controls them."""

    def __init__(self, book: ReceivedBook, *, twilio_auth_token: str, jira_webhook_url: str = "") -> None:
        self.book = book
        self.jira = FakeJira(book, JiraStore("", book.now_s), webhook_url=jira_webhook_url)
        self._twilio = FakeTwilio(book, auth_token=twilio_auth_token)
        self._lock = threading.Lock()

    def routes(self) -> list[Route]:
        """All of them."""
        twilio = "/receivers/twilio/2010-04-01/Accounts/{account}/{kind}.json"
        providers = [
            Route(path, self._endpoint(name, answer), methods=["POST"]) for path, (name, answer) in ANSWERS.items()
        ]
        return [
            Route(twilio, self._take_twilio, methods=["GET", "POST"]),
            Route("/receivers/jira/browse/{key}", self._browse_ticket, methods=["GET"]),
            Route("/receivers/jira/{path:path}", self._take_jira, methods=["GET", "POST", "PUT", "DELETE"]),
            *providers,
            Route("/receivers", self._page, methods=["GET"]),
            Route("/simulator/received", self._guard(self._list), methods=["GET"]),
            Route("/simulator/received", self._guard(self._clear), methods=["DELETE"]),
            Route("/simulator/receivers/script", self._guard(self._set_script), methods=["POST"]),
            Route("/simulator/receivers/{name}/fault", self._guard(self._set_fault), methods=["POST"]),
            Route("/simulator/receivers/{name}/fault", self._guard(self._end_fault), methods=["DELETE"]),
        ]

    async def _take_twilio(self, request: Request) -> Response:
        kind = request.path_params["kind"]
        if kind not in {"Messages", "Calls"}:
            return _json({"code": 20404, "message": "not found", "status": 404}, 404)
        body, asked = await request.body(), request.query_params

        def take() -> Response:
            if request.method == "GET":
                return _json(self._twilio.list_texts(asked), 200)
            form = parse_qs(body.decode(), keep_blank_values=True)
            return _json(*self._twilio.take(kind, request.path_params["account"], form))

        return await self._through_fault(
            "sms" if kind == "Messages" else "voice",
            take,
            error=lambda status: {"code": 20000 + status, "message": "simulated fault", "status": status},
        )

    async def _browse_ticket(self, request: Request) -> Response:
        issue = self.jira.store.find(request.path_params["key"])
        if issue is None:
            return HTMLResponse("<!doctype html><title>no such ticket</title><p>There is no such ticket.", 404)
        return HTMLResponse(render_ticket(self.jira.store.shown(issue), issue.comments))

    async def _take_jira(self, request: Request) -> Response:
        self.jira.store.base_url = f"{request.base_url}receivers/jira"
        body, asked = await request.body(), request.query_params
        query = {name: found if len(found := asked.getlist(name)) > 1 else found[0] for name in asked}
        path, login = f"/{request.path_params['path']}", request.headers.get("authorization", "")

        def take() -> Response:
            content, status = self.jira.take(request.method, path, query, body, login)
            return Response(status_code=204) if status == 204 else _json(content, status)

        return await self._through_fault(
            "jira", take, error=lambda status: {"errorMessages": [f"simulated fault {status}"], "errors": {}}
        )

    def _endpoint(self, name: str, answer: Answer) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            body = await request.body()
            return await self._through_fault(name, lambda: answer(self.book, request, body))

        return endpoint

    async def _through_fault(
        self,
        name: str,
        take: Callable[[], Response],
        *,
        error: Callable[[int], dict[str, Any]] = lambda status: {"error": f"simulated fault {status}"},
    ) -> Response:
        fault = self.book.take_fault(name)
        if fault is None:
            return await run_in_threadpool(take)
        if fault.hangs_s:
            await run_in_threadpool(threading.Event().wait, fault.hangs_s)
        if fault.is_cut:  # taken, but the answer is lost half-way
            whole = await run_in_threadpool(take)
            return Response(bytes(whole.body)[: len(whole.body) // 2], whole.status_code, media_type=whole.media_type)
        if not fault.status:
            return await run_in_threadpool(take)
        headers = {} if fault.retry_after_s is None else {"Retry-After": str(fault.retry_after_s)}
        return _json(error(fault.status), fault.status, headers)

    async def _page(self, _: Request) -> Response:
        return HTMLResponse(render_received(self.book.read(), self.book.count()), headers={"Cache-Control": "no-store"})

    def _guard(self, answer: Callable[[Request, dict[str, Any]], Any]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            raw = await request.body()
            try:
                return _json(answer(request, _document(raw)), 200)
            except EtlmonError as error:
                return _json(error.as_dict(), 404 if isinstance(error, NotFoundError) else 400)

        return endpoint

    def _list(self, request: Request, _: dict[str, Any]) -> dict[str, Any]:
        name = request.query_params.get("receiver", "")
        return {"counts": self.book.count(), "items": self.book.read(_known(name) if name else "")}

    def _clear(self, _: Request, __: dict[str, Any]) -> dict[str, Any]:
        self.book.clear()
        return {"counts": self.book.count()}

    def _set_script(self, _: Request, body: dict[str, Any]) -> dict[str, Any]:
        digits, outcome = body.get("digits", []), body.get("outcome", "answered")
        is_good = isinstance(digits, list) and all(isinstance(one, str) and len(one) <= 1 for one in digits)
        if not is_good or outcome not in _OUTCOMES:
            raise InputDataError(
                "no such script", suggestion=f'send {{"digits": ["1"], "outcome": one of {_OUTCOMES}}}'
            )
        self.book.script = CallScript(tuple(digits), outcome)
        return {"digits": digits, "outcome": outcome}

    def _set_fault(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        name = _known(request.path_params["name"])
        allowed = {one.name for one in fields(Fault)}
        if set(body) - allowed or not body:
            raise InputDataError("no such fault", suggestion=f"send some of {sorted(allowed)}")
        self.book.set_fault(name, Fault(**body))
        return {"receiver": name, **body}

    def _end_fault(self, request: Request, _: dict[str, Any]) -> dict[str, Any]:
        name = _known(request.path_params["name"])
        self.book.set_fault(name, None)
        return {"receiver": name}


def _known(name: str) -> str:
    if name not in RECEIVERS:
        raise NotFoundError(f"there is no receiver {escape(name)[:40]}", suggestion=f"there are {', '.join(RECEIVERS)}")
    return name


def _document(raw: bytes) -> dict[str, Any]:
    if not raw:
        return {}
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise InputDataError("the body is no JSON object", suggestion="send a JSON object")
    return found


def _json(content: Any, status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), status, headers, "application/json")
