"""How the simulated Slack, PagerDuty, Opsgenie, SNS and webhook receiver answer: in the shape of the documented ones."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import orjson
from starlette.requests import Request
from starlette.responses import Response

from resources.simulator.received import ReceivedBook

Answer = Callable[[ReceivedBook, Request, bytes], Response]
_NUMBERS = itertools.count(1)


def _json(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


def _read(request: Request, body: bytes) -> dict[str, Any] | None:
    """JSON, or the form that some clients send."""
    try:
        if "json" in request.headers.get("content-type", ""):
            found = orjson.loads(body)
            return found if isinstance(found, dict) else None
        form = {name: values[-1] for name, values in parse_qs(body.decode()).items()}
        return {name: orjson.loads(one) if one[:1] in "[{" else one for name, one in form.items()}
    except (ValueError, UnicodeDecodeError):
        return None


def answer_slack(book: ReceivedBook, request: Request, body: bytes) -> Response:
    """chat.postMessage, chat.update, conversations.history and auth.test of the Web API; errors come with status 200."""
    method = request.path_params["method"]
    document = _read(request, body) or {}
    if error := _slack_error(book, request, document):
        return _json({"ok": False, "error": error})
    if method == "auth.test":
        return _json({"ok": True, "user": "etlmon", "team": "simulator"})
    if method == "conversations.history":
        return _json({"ok": True, "messages": _slack_history(book, document), "has_more": False})
    channel, text = str(document["channel"]), str(document.get("text", ""))
    ts = str(document.get("ts") or f"{int(book.now_s())}.{next(_NUMBERS):06d}")
    told = {"blocks": document.get("blocks"), "metadata": document.get("metadata")}
    book.write("slack", to=channel, text=text, method=method, ts=ts, **told)
    return _json({"ok": True, "channel": channel, "ts": ts, "message": {"text": text}})


def _slack_error(book: ReceivedBook, request: Request, document: dict[str, Any]) -> str:
    method, channel = request.path_params["method"], str(document.get("channel", ""))
    known = {f"{one['to']}:{one['detail'].get('ts')}" for one in book.read("slack", limit=2_000)}
    faults = {
        "not_authed": not request.headers.get("authorization", "").startswith("Bearer xoxb-"),
        "unknown_method": method not in {"auth.test", "chat.postMessage", "chat.update", "conversations.history"},
    }
    if method != "auth.test":
        faults |= {
            "channel_not_found": not channel or "no-such" in channel,
            "no_text": method.startswith("chat.") and not (document.get("text") or document.get("blocks")),
            "message_not_found": method == "chat.update" and f"{channel}:{document.get('ts')}" not in known,
        }
    return next((name for name, is_so in faults.items() if is_so), "")


def _slack_history(book: ReceivedBook, document: dict[str, Any]) -> list[dict[str, Any]]:
    """What was posted in a channel, newest first; metadata only where asked for."""
    is_whole, oldest = str(document.get("include_all_metadata", "")).lower() == "true", float(document.get("oldest", 0))
    found = []
    for one in book.read("slack", limit=2_000):
        detail = one["detail"]
        if one["to"] == document["channel"] and detail["method"] == "chat.postMessage" and float(detail["ts"]) > oldest:
            shown = {"type": "message", "text": one["text"], "ts": detail["ts"]}
            found.append({**shown, "metadata": detail["metadata"]} if is_whole and detail["metadata"] else shown)
    return found[: int(document.get("limit", 100))]


def answer_slack_hook(book: ReceivedBook, request: Request, body: bytes) -> Response:
    """An incoming webhook, or the reply to a pressed button."""
    document = _read(request, body)
    if document is None:
        return Response("invalid_payload", 400)
    book.write(
        "slack",
        to=request.path_params["name"],
        text=str(document.get("text", "")),
        method="webhook",
        blocks=document.get("blocks"),
    )
    return Response("ok")


def answer_pagerduty(book: ReceivedBook, request: Request, body: bytes) -> Response:
    """Events API v2."""
    document = _read(request, body)
    problems = [] if document else ["JSON cannot be read"]
    document = document or {}
    if document.get("event_action") not in {"trigger", "acknowledge", "resolve"}:
        problems.append("'event_action' must be one of trigger, acknowledge, resolve")
    if not document.get("routing_key"):
        problems.append("'routing_key' is missing or blank")
    payload = document.get("payload") or {}
    if document.get("event_action") == "trigger":
        problems += [
            f"'payload.{name}' is missing or blank"
            for name in ("summary", "source", "severity")
            if not payload.get(name)
        ]
        if payload.get("severity") not in {"critical", "error", "warning", "info"}:
            problems.append("'payload.severity' is invalid")
    if problems:
        return _json({"status": "invalid event", "message": "Event object is invalid", "errors": problems}, 400)
    book.write(
        "pagerduty",
        to="routing key",
        text=f"{document['event_action']} {payload.get('summary', '')}".strip(),
        event={**document, "routing_key": "…"},
    )
    return _json({"status": "success", "message": "Event processed", "dedup_key": document.get("dedup_key")}, 202)


def answer_opsgenie(book: ReceivedBook, request: Request, body: bytes) -> Response:
    """Create an alert, or acknowledge or close one by alias."""
    if not request.headers.get("authorization", "").startswith("GenieKey "):
        return _json({"message": "Could not authenticate", "took": 0.001, "requestId": "r0"}, 401)
    document = _read(request, body)
    change, alias = request.path_params.get("change"), request.path_params.get("alias")
    message = str((document or {}).get("message", ""))
    is_alert = bool(message) and len(message) <= 130
    if document is None or (change is None and not is_alert) or (change and change not in {"acknowledge", "close"}):
        return _json({"message": "Request body is not processable", "took": 0.001, "requestId": "r0"}, 422)
    text = f"{change} {alias}" if change else message
    book.write("opsgenie", to=str(alias or document.get("alias", "")), text=text, alert=document)
    return _json({"result": "Request will be processed", "took": 0.001, "requestId": f"r{next(_NUMBERS)}"}, 202)


def answer_sns(book: ReceivedBook, request: Request, body: bytes) -> Response:
    """Publish of the Query API."""
    form = {name: values[-1] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
    if not re.match(
        r"AWS4-HMAC-SHA256 Credential=[^/]+/\d{8}/[a-z0-9-]+/sns/aws4_request", request.headers.get("authorization", "")
    ):
        return _sns_error("MissingAuthenticationToken", 403)
    number = form.get("PhoneNumber", "")
    if form.get("Action") != "Publish" or not re.fullmatch(r"\+[1-9]\d{6,14}", number) or not form.get("Message"):
        return _sns_error("InvalidParameter", 400)
    one = book.write("sns", to=number, text=form["Message"], form=form)
    xml = (
        '<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult>'
        f"<MessageId>00000000-0000-4000-8000-{one.number:012d}</MessageId></PublishResult></PublishResponse>"
    )
    return Response(xml, media_type="text/xml")


def _sns_error(code: str, status: int) -> Response:
    xml = f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code></Error></ErrorResponse>"
    return Response(xml, status, media_type="text/xml")


def answer_webhook(book: ReceivedBook, request: Request, body: bytes) -> Response:
    """Keeps the body and the headers that matter."""
    document = _read(request, body)
    if document is None:
        return _json({"error": "no JSON"}, 400)
    names = ("idempotency-key", "x-etlmon-timestamp", "x-etlmon-signature", "x-correlation-id")
    headers = {name: request.headers.get(name, "") for name in names}
    book.write(
        "webhook", to=request.url.path, text=str(document.get("subject", "")), body=body.decode(), headers=headers
    )
    return _json({"ok": True})


#: Path → receiver's name and how it answers.
ANSWERS: dict[str, tuple[str, Answer]] = {
    "/receivers/slack/api/{method}": ("slack", answer_slack),
    "/receivers/slack/hooks/{name}": ("slack", answer_slack_hook),
    "/receivers/pagerduty/v2/enqueue": ("pagerduty", answer_pagerduty),
    "/receivers/opsgenie/v2/alerts": ("opsgenie", answer_opsgenie),
    "/receivers/opsgenie/v2/alerts/{alias}/{change}": ("opsgenie", answer_opsgenie),
    "/receivers/sns/": ("sns", answer_sns),
    "/receivers/webhook": ("webhook", answer_webhook),
}
