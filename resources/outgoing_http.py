"""The craft shared by every outgoing HTTP request: sessions, deadlines, retries, size budgets.

What a status or body means to one vendor belongs to that vendor's adapter. A connection carries everything that is
needed to reach a server; proxies and netrc of the environment are deliberately not consulted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import requests
import tenacity
import urllib3
from requests.adapters import HTTPAdapter

from domain.errors import EtlmonError, SourceLimitError, SourceTimeoutError
from domain.loaders.definition import Connection
from resources import tracing
from resources.breakers import guard
from resources.http_failures import redact_url, translate_transport_failure
from resources.json_logs import current_correlation_id

CHUNK_BYTES = 1 << 20
ATTEMPTS = 3
POOL_SIZE = 64

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What to send. `fields` go into the URL of a GET and into the form of a POST that has no `body`."""

    url: str
    method: str = "GET"
    fields: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A complete reply: nothing is known yet about what it means."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deadline:
    """The instant (monotonic) by which something must be done, and the patience it came from."""

    timeout_s: float
    expires_at: float

    @classmethod
    def after(cls, timeout_s: float) -> Deadline:
        """A deadline `timeout_s` seconds from now."""
        return cls(timeout_s, time.monotonic() + timeout_s)

    def remaining_s(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.expires_at - time.monotonic())


def open_session(connection: Connection) -> requests.Session:
    """A session with the connection's credentials, headers and trust, and a pool wide enough for concurrent loaders."""
    session = requests.Session()
    session.trust_env = False
    session.verify = (connection.ca_file or True) if connection.verify_tls else False
    session.headers.update(connection.headers)
    session.headers["Accept-Encoding"] = "identity"  # decompressing costs more than the wire inside a data centre
    if connection.username is not None:
        session.auth = (connection.username, connection.password.get_secret_value() if connection.password else "")
    adapter = HTTPAdapter(pool_connections=4, pool_maxsize=POOL_SIZE)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def call_with_retries(
    call: Callable[[Deadline], T], *, timeout_s: float, breaker: str, may_repeat: Callable[[], bool] = lambda: True
) -> T:
    """Run `call` until it succeeds, fails for good, or `timeout_s` has passed: backoff doubles, with full jitter.

    Only errors marked retryable are tried again, and a timeout is not: its patience is used up. Every try is a call of the
    circuit breaker of that name; once that is open there is no further try, nor when `may_repeat` says that the failed one
    left something behind.
    """
    deadline = Deadline.after(timeout_s)

    def guarded(limit: Deadline) -> T:
        with guard(breaker):
            return call(limit)

    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(ATTEMPTS) | tenacity.stop_before_delay(timeout_s),
        wait=tenacity.wait_random_exponential(multiplier=0.1, max=2.0),
        retry=tenacity.retry_if_exception(lambda error: _is_worth_a_retry(error) and may_repeat()),
        reraise=True,
    )
    return retrying(guarded, deadline)


def _is_worth_a_retry(error: BaseException) -> bool:
    return isinstance(error, EtlmonError) and error.is_retryable and not isinstance(error, SourceTimeoutError)


def ask_for(url: str, fields: Mapping[str, str]) -> HttpRequest:
    """A GET, or a POST form where the fields would make the URL too long."""
    is_long = sum(map(len, fields.values())) > 1_500
    return HttpRequest(url, "POST" if is_long else "GET", fields)


def correlation_headers() -> dict[str, str]:
    """The correlation id and the trace travel with every outgoing call (A10, A12); empty where there is neither."""
    correlation_id = current_correlation_id()
    return {**({"X-Correlation-ID": correlation_id} if correlation_id else {}), **tracing.trace_headers()}


def fetch_reply(
    session: requests.Session,
    request: HttpRequest,
    *,
    deadline: Deadline,
    max_bytes: int,
    inspect: Callable[[bytes], None] = lambda _: None,
) -> HttpReply:
    """Send the request and read the reply to its end.

    Reading stops with SourceLimitError beyond `max_bytes`: memory stays bounded whatever the server sends. `inspect`
    sees each piece as it arrives and may raise to stop reading early.

    Raises:
        SourceError: unreachable, TLS, timeout (also for a reply that trickles), truncated, too large.
    """
    if session.verify is False:  # the connection says so; `etlmon doctor` is where it is pointed out, not every request
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    facts = {"http__request__method": request.method, "url__full": redact_url(request.url)}
    with tracing.span(request.method, kind="client", **facts) as span:
        reply = _fetch(session, request, deadline, max_bytes, inspect)
        span.note(http__response__status_code=reply.status, http__response__body__size=len(reply.body))
        return reply


def _fetch(
    session: requests.Session,
    request: HttpRequest,
    deadline: Deadline,
    max_bytes: int,
    inspect: Callable[[bytes], None],
) -> HttpReply:
    is_form = request.method == "POST" and request.body is None
    try:
        with session.request(
            request.method,
            request.url,
            params=None if is_form else dict(request.fields),
            data=dict(request.fields) if is_form else request.body,
            headers={**correlation_headers(), **request.headers},
            timeout=max(deadline.remaining_s(), 0.001),
            stream=True,
            allow_redirects=request.method == "GET",
        ) as response:
            body = _read_body(response, deadline, max_bytes, inspect)
            return HttpReply(response.status_code, body, response.headers)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise translate_transport_failure(error, request.url, timeout_s=deadline.timeout_s) from None


def _read_body(
    response: requests.Response, deadline: Deadline, max_bytes: int, inspect: Callable[[bytes], None]
) -> bytes:
    body = bytearray()
    while piece := response.raw.read1(CHUNK_BYTES, decode_content=True):
        inspect(piece)
        body += piece
        if len(body) > max_bytes:
            raise SourceLimitError(
                f"{redact_url(response.url)} sent more than {max_bytes >> 20} MiB in one answer",
                suggestion="aggregate the query to fewer series or shorten the range",
                url=redact_url(response.url),
                max_bytes=max_bytes,
            )
        if deadline.remaining_s() == 0:
            raise requests.ReadTimeout("the reply trickles in too slowly")
    return bytes(body)
