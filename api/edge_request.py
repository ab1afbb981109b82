"""What a request must look like before anything reads it: host, headers, path and query. Ambiguity is refused, not repaired."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import unquote_to_bytes, urlsplit

from starlette.types import Scope

from api.problems import (
    ContentTypeError,
    HeadersTooLargeError,
    MalformedRequestError,
    UriTooLongError,
)
from domain.errors import InputDataError
from resources.settings import Settings

_MAX_URI = 8_192
_MAX_HEADERS = 100
_MAX_HEADER_BYTES = 32_768
_HOST = re.compile(r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)(?::([0-9]{1,5}))?$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
#: Two of them would let a proxy and this server read two different requests.
_SINGLE = frozenset(
    {
        *(b"host", b"content-length", b"transfer-encoding", b"content-type", b"authorization", b"if-match"),
        *(b"idempotency-key", b"x-correlation-id", b"origin", b"content-encoding"),
    }
)


class RequestRules:
    """The rules of one app."""

    def __init__(self, settings: Settings) -> None:
        names = {name.strip().lower() for name in settings.allowed_hosts.split(",") if name.strip()}
        self._is_any_host = "*" in names
        public = urlsplit(settings.public_url or "").hostname
        self._hosts = names | {settings.api_host.lower(), *([public] if public else [])}

    def refuse(self, scope: Scope) -> InputDataError | None:
        """Why this request is not looked at; None when it is well-formed."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        return _refuse_headers(headers) or self._refuse_host(headers) or _refuse_target(scope)

    def _refuse_host(self, headers: list[tuple[bytes, bytes]]) -> InputDataError | None:
        given = next((value for name, value in headers if name == b"host"), b"").decode("latin-1")
        found = _HOST.match(given)
        if found is None or int(found.group(3) or 0) > 65_535:
            return MalformedRequestError("the Host header names no host", suggestion="send the name you connected to")
        if self._is_any_host or self._is_ours(found.group(1).lower()):
            return None
        return MalformedRequestError(
            f"this server does not answer to the name {found.group(1)[:253]}",
            suggestion="list it in ETLMON_ALLOWED_HOSTS; addresses and names without a dot need no listing",
        )

    def _is_ours(self, host: str) -> bool:
        """Addresses and names without a dot cannot be bound to a stranger's site, so DNS rebinding gains nothing by them."""
        if host in self._hosts or "." not in host or host.endswith(".localhost"):
            return True
        try:
            ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            return False
        return True


def _refuse_headers(headers: list[tuple[bytes, bytes]]) -> InputDataError | None:
    if len(headers) > _MAX_HEADERS or sum(len(name) + len(value) for name, value in headers) > _MAX_HEADER_BYTES:
        return HeadersTooLargeError(
            f"more than {_MAX_HEADERS} header fields or {_MAX_HEADER_BYTES // 1024} KiB of them",
            suggestion="send fewer or shorter headers; delete old cookies",
        )
    names = [name for name, _ in headers]
    doubled = next((name for name in _SINGLE if names.count(name) > 1), None)
    if doubled:
        return MalformedRequestError(f"the header {doubled.decode()} is there twice", suggestion="send it once")
    present = set(names)
    if b"transfer-encoding" in present and b"content-length" in present:
        return MalformedRequestError(
            "Content-Length and Transfer-Encoding contradict each other", suggestion="send one of them"
        )
    encoding = next((value for name, value in headers if name == b"content-encoding"), b"identity")
    if encoding.lower() != b"identity":
        return ContentTypeError(
            f"a body in {encoding.decode('latin-1')[:40]!r} encoding is not read", suggestion="send it uncompressed"
        )
    return None


def _refuse_target(scope: Scope) -> InputDataError | None:
    raw_path: bytes = scope.get("raw_path") or b""
    query: bytes = scope.get("query_string") or b""
    if len(raw_path) + len(query) > _MAX_URI:
        return UriTooLongError(
            f"the URL is longer than {_MAX_URI} bytes", suggestion="shorten it; long values go into a body"
        )
    try:
        path = unquote_to_bytes(raw_path).decode()
        asked = unquote_to_bytes(query).decode()
    except UnicodeDecodeError:
        return MalformedRequestError(
            "the URL is not valid UTF-8", suggestion="percent-encode the UTF-8 bytes of the text"
        )
    if _CONTROL.search(path) or "\x00" in asked:
        return MalformedRequestError("the URL contains control characters", suggestion="remove them")
    low = raw_path.lower()
    is_ambiguous = b"%2f" in low or b"%5c" in low or "\\" in path or "//" in path
    if is_ambiguous or any(step in {".", ".."} for step in path.split("/")):
        return MalformedRequestError(
            "the path has `.`, `..`, an empty step or an encoded slash", suggestion="send the path in its plain form"
        )
    return None
