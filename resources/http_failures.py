"""What can go wrong with an HTTP request, in our error tree, before anyone knows what the body means.

No message carries user information, a query string or a header.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

import requests
import urllib3

from domain.errors import (
    SourceAnswerError,
    SourceAuthenticationError,
    SourceError,
    SourceFailedError,
    SourceRefusedError,
    SourceTimeoutError,
    SourceTlsError,
    SourceUnreachableError,
)
from resources.secret_registry import mask_secrets

_NOISE = re.compile(
    r"<[^>]+>: |HTTPS?Connection(Pool)?\([^)]*\): |Failed to establish a new connection: |\(_ssl\.c:\d+\)|\[Errno -?\d+\] "
)


def redact_url(url: str) -> str:
    """The URL without user information, query and fragment: what may stand in a message."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def translate_transport_failure(error: BaseException, url: str, *, timeout_s: float) -> SourceError:
    """What went wrong before a complete reply was there, in our words; of the vendor's only the last cause."""
    where, words = redact_url(url), _last_words(error)
    if isinstance(error, requests.exceptions.SSLError) or "SSL" in words or "certificate" in words.lower():
        return SourceTlsError(
            f"no trusted TLS connection to {where}: {words}",
            suggestion="set ca_file to the authority's certificate, or correct http/https in the URL",
            url=where,
        )
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)) or "timed out" in words:
        return SourceTimeoutError(
            f"{where} did not answer within {timeout_s:.3g} s",
            suggestion="raise timeout_s of the loader, narrow the query, or look at the load of the source",
            url=where,
            timeout_s=round(timeout_s, 3),
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
    where, told = redact_url(url), mask_secrets(" ".join(words.split()))[:300] or "no explanation"
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
        suggestion="check the path in the connection's url: the address of the source itself, without an API path",
        url=where,
        status=status,
    )


def _last_words(error: BaseException) -> str:
    """The innermost reason of a chain of wrapped exceptions, without the addresses of objects and connections."""
    innermost = error
    for _ in range(8):
        inner = getattr(innermost, "reason", None) or (innermost.args[-1] if innermost.args else None)
        if not isinstance(inner, BaseException):
            break
        innermost = inner
    text = " ".join(_NOISE.sub("", str(innermost)).split())
    return mask_secrets(text)[:200] or type(innermost).__name__
