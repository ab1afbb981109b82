"""What a body may be: how large, of which type, and for JSON how deep; duplicate keys are refused.

Sizes are checked before reading where the length is announced, and while reading where it is not.
"""

from __future__ import annotations

import json
import math
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

from api.problems import BodyTooLargeError, ContentTypeError, MalformedRequestError
from domain.errors import InputDataError

_MEGABYTE = 1 << 20
#: Path prefix → bytes. The first that fits holds.
_LIMITS = (("/api/v1/signals", 32 * _MEGABYTE), ("/api/v1/loaders/import", 25 * _MEGABYTE), ("/import", 25 * _MEGABYTE))
_LIMIT = _MEGABYTE
#: Routes that read their bytes themselves, whatever type they claim.
_RAW = ("/api/v1/signals", "/api/v1/loaders/import", "/api/v1/webhooks/twilio", "/api/v1/webhooks/slack")
_MAX_DEPTH = 64
_HAS_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def limit_of(path: str) -> int:
    """Bytes that a body sent to this path may have."""
    return next((size for prefix, size in _LIMITS if path.startswith(prefix)), _LIMIT)


def too_large(limit: int) -> BodyTooLargeError:
    """The error of a body over its limit."""
    return BodyTooLargeError(f"the body exceeds {limit // _MEGABYTE} MB", suggestion="send it in smaller parts")


def refuse_body(scope: Scope) -> InputDataError | None:
    """What the headers already tell about the body; None when there is nothing against reading it."""
    headers = dict(scope["headers"])
    announced = headers.get(b"content-length", b"0")
    if not announced.isdigit() or len(announced) > 18:
        return MalformedRequestError("Content-Length is no number", suggestion="send the number of bytes")
    limit = limit_of(scope["path"])
    if int(announced) > limit:
        return too_large(limit)
    has_body = int(announced) > 0 or b"transfer-encoding" in headers
    if has_body and scope["path"].startswith("/api/") and not scope["path"].startswith(_RAW):
        media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if media_type != b"application/json":
            return ContentTypeError(
                f"a body of type {media_type.decode('latin-1')[:60] or 'unknown'!r} is not read here",
                suggestion="send Content-Type: application/json",
            )
    return None


def is_checked_json(scope: Scope) -> bool:
    """Whether the whole body is read and checked as JSON before the route sees it."""
    path: str = scope["path"]
    return scope["method"] in _HAS_BODY and path.startswith("/api/") and not path.startswith(_RAW)


def limited(receive: Receive, limit: int) -> Receive:
    """A `receive` that ends with 413 once more than `limit` bytes came."""
    seen = 0

    async def receive_within_limit() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            error = too_large(limit)
            raise HTTPException(413, error.reason)
        return message

    return receive_within_limit


async def read_checked_json(receive: Receive) -> Receive:
    """Read the body to its end and check it; a `receive` that gives it once more.

    Raises:
        InputDataError: not JSON, too deep, duplicate keys, or text that no database stores.
        HTTPException: 413.
    """
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return _replay(message, receive)
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    body = b"".join(parts)
    if body:
        check_json(body)
    return _replay({"type": "http.request", "body": body, "more_body": False}, receive)


def _replay(first: Message, receive: Receive) -> Receive:
    is_given = False

    async def give() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return first

    return give


def check_json(body: bytes) -> None:
    """Refuse what is read differently by different readers, or by none.

    Raises:
        InputDataError: with the place of the fault.
    """
    try:
        document = json.loads(body.decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        raise InputDataError("the body is not UTF-8", suggestion="send JSON as UTF-8") from None
    except ValueError as error:
        raise InputDataError(f"the body is no JSON: {error}", suggestion="see /api/openapi.json") from None
    except RecursionError:
        raise _too_deep() from None
    _check_values(document, _MAX_DEPTH)


def _too_deep() -> InputDataError:
    return InputDataError(f"the JSON is nested deeper than {_MAX_DEPTH} levels", suggestion="flatten it")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        doubled = next(name for name in names if names.count(name) > 1)
        raise InputDataError(f"the key {doubled[:80]!r} is there twice", suggestion="send each key once")
    return found


def _refuse_constant(name: str) -> None:
    raise InputDataError(f"{name} is no JSON number", suggestion="send null or leave the field out")


def _check_values(node: Any, depth: int) -> None:
    if depth < 0:
        raise _too_deep()
    if isinstance(node, dict):
        for key, value in node.items():
            _check_values(key, depth)
            _check_values(value, depth - 1)
    elif isinstance(node, list):
        for value in node:
            _check_values(value, depth - 1)
    elif isinstance(node, float) and math.isinf(node):
        raise InputDataError("a number is too large", suggestion="send it smaller")
    elif isinstance(node, str) and ("\x00" in node or not _is_encodable(node)):
        raise InputDataError(
            "a text contains a NUL or half of a surrogate pair", suggestion="remove it; no database stores it"
        )


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
