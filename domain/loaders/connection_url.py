"""What of a connection's url is secret: user information is moved out of it, values of secret query parameters are masked.

Texts only: nothing here resolves a host. Masked values are put back from the url that is stored, see `restore_query`.
"""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from domain.access.field_protection import MASK

_SECRET_NAME = re.compile(r"pass|pwd|secret|token|key|auth|credential|signature|odbc_connect|dsn", re.IGNORECASE)
_PARAMETER = re.compile(r"(?<=[?&;])([^=&;#?]+)=([^&#]*)")
_LOST_USERINFO = re.compile(r"^[^:/?#]+://[^:/?#@]*:(?!\d*(?:[/?#]|$))[^@]*@", re.DOTALL)

_STRANGE = frozenset("@:\\=%;,")


def split_userinfo(url: str) -> tuple[str, str | None, str | None]:
    """The url without `user:password@`, and the two, percent-decoded.

    Raises:
        ValueError: not a url, or the password in it makes it ambiguous; the message has nothing of the url.
    """
    if (
        _LOST_USERINFO.match(url)
        and "@" not in url.split("://", 1)[1].split("/", 1)[0].split("?", 1)[0].split("#", 1)[0]
    ):
        raise ValueError("the password inside the url is not percent-encoded; give `username` and `password` instead")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("not a url; write scheme://host:port/path") from None
    if "@" not in parts.netloc:
        return url, None, None
    userinfo, _, _ = parts.netloc.rpartition("@")
    name, _, password = userinfo.partition(":")
    return url.replace(f"{userinfo}@", "", 1), unquote(name) or None, unquote(password) or None


def mask_query(url: str) -> str:
    """The url with every secret value of its query replaced by `MASK`."""
    return _PARAMETER.sub(lambda one: f"{one[1]}={MASK if _is_secret(one[1], one[2]) else one[2]}", url)


def query_secrets(url: str) -> dict[str, str]:
    """Secret parameters of the query by name, as they are written."""
    return {name: value for name, value in _PARAMETER.findall(url) if _is_secret(name, value)}


def restore_query(url: str, stored: str) -> str:
    """The url with each masked value replaced by the one the stored url has under the same name; without one it stays masked."""
    kept = query_secrets(stored)
    return _PARAMETER.sub(lambda one: f"{one[1]}={kept.get(one[1], MASK) if one[2] == MASK else one[2]}", url)


def compute_endpoint(url: str) -> str:
    """Everything of a url that decides where a secret is sent: all but a plain path. Drivers do not agree about strange ones."""
    try:
        parts = urlsplit(mask_query(url))
    except ValueError:
        return url
    path = parts.path if _STRANGE & set(parts.path) else ""
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{path}?{parts.query}#{parts.fragment}"


def _is_secret(name: str, value: str) -> bool:
    return bool(value) and _SECRET_NAME.search(unquote(name)) is not None
