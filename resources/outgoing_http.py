"""The craft shared by every outgoing HTTP request: sessions, deadlines, retries, size budgets, translated errors.

What a status or body means to one vendor belongs to that vendor's adapter. A connection carries everything that is needed
to reach a server; proxies and netrc of the environment are deliberately not consulted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

import requests
import tenacity
import urllib3
from requests.adapters import HTTPAdapter

from domain.errors import (
    EtlmonError,
    SourceAnswerError,
    SourceAuthenticationError,
    SourceError,
    SourceFailedError,
    SourceLimitError,
    SourceRefusedError,
    SourceTimeoutError,
    SourceTlsError,
    SourceUnreachableError,
)
from domain.loaders.definition import Connection

CHUNK_BYTES = 1 << 20
ATTEMPTS = 3
POOL_SIZE = 64

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A complete reply: nothing is known yet about what it means."""

    status: int
    body: bytes


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


def redact_url(url: str) -> str:
    """The URL without user information, query and fragment: what may stand in a message."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


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


def call_with_retries(call: Callable[[Deadline], T], *, timeout_s: float) -> T:
    """Run `call` until it succeeds, fails for good, or `timeout_s` has passed: backoff doubles, with full jitter.

    Only errors marked retryable are tried again, and a timeout is not: its patience is used up.
    """
    deadline = Deadline.after(timeout_s)
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(ATTEMPTS) | tenacity.stop_before_delay(timeout_s),
        wait=tenacity.wait_random_exponential(multiplier=0.1, max=2.0),
        retry=tenacity.retry_if_exception(_is_worth_a_retry),
        reraise=True,
    )
    return retrying(call, deadline)


def _is_worth_a_retry(error: BaseException) -> bool:
    return isinstance(error, EtlmonError) and error.is_retryable and not isinstance(error, SourceTimeoutError)


def fetch_reply(
    session: requests.Session,
    url: str,
    *,
    fields: Mapping[str, str],
    deadline: Deadline,
    max_bytes: int,
    inspect: Callable[[bytes], None] = lambda _: None,
) -> HttpReply:
    """Ask `url` for `fields` (GET, or a POST form where they would not fit into a URL) and read the reply to its end.

    Args:
        max_bytes: reading stops with SourceLimitError beyond this size; memory stays bounded whatever the server sends.
        inspect: sees each piece as it arrives and may raise to stop reading early.

    Raises:
        SourceError: unreachable, TLS, timeout (also for a reply that trickles), truncated, too large.
    """
    is_long = sum(map(len, fields.values())) > 1_500
    if session.verify is False:  # the connection says so; `etlmon doctor` is where it is pointed out, not every request
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    try:
        with session.request(
            "POST" if is_long else "GET",
            url,
            params=None if is_long else dict(fields),
            data=dict(fields) if is_long else None,
            timeout=max(deadline.remaining_s(), 0.001),
            stream=True,
            allow_redirects=not is_long,
        ) as response:
            return HttpReply(response.status_code, _read_body(response, deadline, max_bytes, inspect))
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise translate_transport_failure(error, url, timeout_s=deadline.timeout_s) from None


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


def translate_transport_failure(error: BaseException, url: str, *, timeout_s: float) -> SourceError:
    """What went wrong before a complete reply was there, in our words. Vendor texts are shortened to their last cause."""
    where, words = redact_url(url), _last_words(error)
    if isinstance(error, requests.exceptions.SSLError) or "SSL" in words or "certificate" in words.lower():
        return SourceTlsError(
            f"no trusted TLS connection to {where}: {words}",
            suggestion="set ca_file to the authority's certificate, or correct http/https in the URL",
            url=where,
        )
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)) or "timed out" in words:
        return SourceTimeoutError(
            f"{where} did not answer within {timeout_s:g} s",
            suggestion="raise timeout_s of the loader, narrow the query, or look at the load of the source",
            url=where,
            timeout_s=timeout_s,
        )
    if isinstance(error, (urllib3.exceptions.ProtocolError, requests.exceptions.ChunkedEncodingError)):
        return SourceAnswerError(
            f"the answer of {where} ended early: {words}",
            suggestion="look for a proxy or a restart between here and the source; the window stays due",
            url=where,
        )
    return SourceUnreachableError(
        f"cannot reach {where}: {words}",
        suggestion="check host, port and scheme of the connection's url, and that the source is running",
        url=where,
    )


def translate_refusal(status: int, url: str, *, words: str) -> SourceError:
    """A status that is not about the query: login, 4xx or 5xx."""
    where, told = redact_url(url), " ".join(words.split())[:300] or "no explanation"
    if status in {401, 403}:
        return SourceAuthenticationError(
            f"{where} refuses the login (HTTP {status}): {told}",
            suggestion="correct username, password or the Authorization header of the connection",
            url=where,
            status=status,
        )
    if status >= 500 or status == 429:
        return SourceFailedError(
            f"{where} failed with HTTP {status}: {told}",
            suggestion="look at the log of the source; the window stays due and is captured once it is back",
            url=where,
            status=status,
        )
    return SourceRefusedError(
        f"{where} refuses the request with HTTP {status}: {told}",
        suggestion="check the path in the connection's url: it is the address of the source itself, without an API path",
        url=where,
        status=status,
    )


def _last_words(error: BaseException) -> str:
    """The innermost reason of a chain of wrapped exceptions, without addresses of objects, URLs or credentials."""
    seen: BaseException = error
    for _ in range(8):
        inner = getattr(seen, "reason", None) or (seen.args[-1] if seen.args else None)
        if not isinstance(inner, BaseException):
            break
        seen = inner
    text = str(inner if isinstance(inner, str) else seen)
    return " ".join(text.split())[:200] or type(seen).__name__
