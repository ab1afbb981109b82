"""The craft of handing a message to a provider by HTTP: one request behind the provider's breaker, its answer in our error tree.

One try per call: trying again is the outbox's business. What a good answer means belongs to the adapter of the provider.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn
from urllib.parse import urlsplit

import orjson
import requests

from domain.errors import (
    CircuitOpenError,
    SourceError,
    SourceFailedError,
    SourceLimitError,
    SourceTlsError,
    SourceUnreachableError,
)
from domain.loaders.definition import Connection
from domain.notification.addresses import mask_addresses
from domain.notification.message import DeliveryDelayedError, DeliveryRefusedError
from resources.breakers import guard
from resources.clock import utc_now
from resources.outgoing_http import Deadline, HttpReply, HttpRequest, fetch_reply, open_session
from resources.secret_registry import mask_secrets

_MAX_ANSWER = 1 << 20
#: A connection that was never made; one that was lost may have carried the message.
_NOT_REACHED = re.compile(r"refused|resol|unreachable|no route|not known|not connected", re.IGNORECASE)
_MAX_WAIT_S = 3600
_LOGINS = frozenset({401, 403})
_LATER = frozenset({408, 409, 425, 429})


@dataclass(frozen=True, slots=True)
class Provider:
    """Whom we talk to: the name in errors and of the breaker, the base address, the patience."""

    name: str
    base_url: str
    timeout_s: float = 10.0

    @property
    def breaker(self) -> str:
        """Name of the circuit breaker."""
        parts = urlsplit(self.base_url)
        return f"{self.name} {parts.scheme}://{parts.netloc.rpartition('@')[2]}"


@dataclass(slots=True)
class DeliveryHttp:
    """Requests to one provider. Keeps its connections; safe to share between threads."""

    provider: Provider
    max_answer: int = _MAX_ANSWER
    session: requests.Session = field(init=False)

    def __post_init__(self) -> None:
        self.session = open_session(Connection(url=self.provider.base_url))

    def exchange(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str],
        fields: Mapping[str, str] | None = None,
        url: str = "",
    ) -> HttpReply:
        """One request, once, and the answer whatever its status below 500.

        Raises:
            DeliveryDelayedError: anything that may pass.
        """
        provider = self.provider
        where = url or provider.base_url.rstrip("/") + path
        request = HttpRequest(where, method, fields=fields or {}, body=body, headers=headers)
        with translated(provider), guard(provider.breaker):
            reply = fetch_reply(
                self.session, request, deadline=Deadline.after(provider.timeout_s), max_bytes=self.max_answer
            )
            if reply.status >= 500:
                words = reply.body[:300].decode("utf-8", "replace")
                raise SourceFailedError(
                    f"HTTP {reply.status}: {words}",
                    suggestion="wait",
                    retry_after_s=parse_retry_after(reply.headers.get("Retry-After"), now=utc_now()),
                )
        return reply

    def post(self, path: str, body: bytes, *, headers: Mapping[str, str], url: str = "") -> HttpReply:
        """POST the body, once.

        Raises:
            DeliveryRefusedError: 4xx. DeliveryDelayedError: anything that may pass.
        """
        reply = self.exchange("POST", path, body, headers=headers, url=url)
        if reply.status >= 300:
            refuse(self.provider, reply.status, reply.body.decode("utf-8", "replace"), headers=reply.headers)
        return reply

    def post_json(self, path: str, document: Any, *, headers: Mapping[str, str], url: str = "") -> HttpReply:
        """POST a JSON document."""
        told = {"Content-Type": "application/json; charset=utf-8", **headers}
        return self.post(path, orjson.dumps(document), headers=told, url=url)


@contextmanager
def translated(provider: Provider) -> Iterator[None]:
    """What went wrong on the way, as a failed delivery; `is_certain` in its context: it did not go out.

    To stand around the breaker, which has to see the error of the source.

    Raises:
        CircuitOpenError: nothing was sent, because the provider failed too often.
    """
    try:
        yield
    except CircuitOpenError:
        raise  # the outbox knows it: nothing was sent, and it says when to try again
    except (SourceTlsError, SourceLimitError) as error:
        raise DeliveryDelayedError(_shown(error.reason), suggestion=error.suggestion, provider=provider.name) from None
    except SourceError as error:
        wait = error.context.get("retry_after_s")
        raise DeliveryDelayedError(
            f"{provider.name} did not take it: {_shown(error.reason)}",
            suggestion="it is tried again; look at the provider's status page if it lasts",
            provider=provider.name,
            **({"retry_after_s": wait} if wait is not None else {}),
            is_certain=_is_certain(error),
        ) from None


def _is_certain(error: SourceError) -> bool:
    """Whether the message certainly did not go out: nobody was reached at all, or the provider itself says that it failed."""
    is_not_reached = isinstance(error, SourceUnreachableError) and _NOT_REACHED.search(error.reason) is not None
    return is_not_reached or isinstance(error, SourceFailedError)


def refuse(provider: Provider, status: int, words: str, *, headers: Mapping[str, str]) -> NoReturn:
    """The error of an answer that is neither good nor a 5xx.

    Raises:
        DeliveryDelayedError: 408, 409, 425, 429. DeliveryRefusedError: everything else.
    """
    told = _shown(words) or "no explanation"
    if status in _LATER:
        wait = parse_retry_after(headers.get("Retry-After"), now=utc_now())
        raise DeliveryDelayedError(
            f"{provider.name} wants it later (HTTP {status}): {told}",
            suggestion="it is tried again after the wait that the provider asks for",
            provider=provider.name,
            status=status,
            **({"retry_after_s": wait} if wait is not None else {}),
            is_certain=True,
        )
    if status in _LOGINS:
        raise DeliveryRefusedError(
            f"{provider.name} refuses our credentials (HTTP {status}): {told}",
            suggestion="correct the token or key of this provider in the settings and restart",
            provider=provider.name,
            status=status,
        )
    raise DeliveryRefusedError(
        f"{provider.name} refuses the message (HTTP {status}): {told}",
        suggestion="correct what the provider names; the same message will be refused again",
        provider=provider.name,
        status=status,
    )


def read_answer(provider: Provider, reply: HttpReply, *names: str) -> dict[str, Any]:
    """The JSON object of a good answer, which has to have these fields.

    Raises:
        DeliveryDelayedError: half an answer, or something else than the provider documents: it may have gone out.
    """
    try:
        answer = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        answer = None
    if not isinstance(answer, dict) or any(name not in answer for name in names):
        raise unreadable(provider, reply.status)
    return answer


def unreadable(provider: Provider, status: int) -> DeliveryDelayedError:
    """The error of an answer that cannot be read."""
    return DeliveryDelayedError(
        f"the answer of {provider.name} (HTTP {status}) cannot be read: the message may have gone out",
        suggestion="it is tried again; the idempotency key keeps it from being sent twice where the provider supports one",
        provider=provider.name,
    )


def parse_retry_after(value: str | None, *, now: datetime) -> int | None:
    """Seconds of a Retry-After header (a number or a date), at most an hour; None when there is none that makes sense."""
    text = (value or "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", text):
        return min(_MAX_WAIT_S, -(-int(float(text) * 1000) // 1000))
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(_MAX_WAIT_S, max(0, int((at - now).total_seconds())))


def _shown(words: str) -> str:
    """A provider's words: short, without secrets, numbers or mailboxes."""
    return mask_addresses(mask_secrets(" ".join(words.split())))[:300]
