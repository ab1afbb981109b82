"""Secrets recognised by how they are written: in URLs, connection strings, headers and tokens. The last line of defence.

Used on every text that leaves or stays: log lines, error texts, audit entries. Knows no value, only shapes.
"""

from __future__ import annotations

import base64
import binascii
import re

MASK = "********"

_WORDS = (
    r"(?:token|secret|passw(?:or)?d|passphrase|pwd|api[_-]?key|access[_-]?key|private[_-]?key|signature|credentials?)"
)
#: Most texts have none of these and are done after one search.
_HINT = re.compile(rf"://|authorization|bearer|basic|etlmon_|eyJ|{_WORDS}", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(?<=://)([^/\s:@\"']*):([^\s/?#\"']+)@")
_QUERY = re.compile(rf"([?&;](?:[\w.-]*{_WORDS}[\w.-]*|auth|sig|key)=)([^&\s#\"'<>]+)", re.IGNORECASE)
_KEYWORD = re.compile(
    r"(\b(?:password|passwd|pwd|api_?key|client_secret|access_token|refresh_token)\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s'\"&]+)",
    re.IGNORECASE,
)
_QUOTED = re.compile(
    rf"([\"'][\w.-]*{_WORDS}[\"']\s*:\s*)(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')",
    re.IGNORECASE,
)
_HEADER = re.compile(r"(authorization[\"']?\s*[:=]\s*[\"']?(?:[a-z]+)\s+)([^\s\"',;`]+)", re.IGNORECASE)
_BEARER = re.compile(r"(\bbearer\s+)([A-Za-z0-9._~+/=-]{16,})", re.IGNORECASE)
_BASIC = re.compile(r"(\bbasic\s+)([A-Za-z0-9+/]{6,}={0,2})", re.IGNORECASE)
_JWT = re.compile(r"\beyJ[\w-]{8,}\.[\w-]{4,}\.[\w-]*")
_API_TOKEN = re.compile(r"\betlmon_(?=[\w.-]*\d)[\w.-]{24,}")


def mask_secret_patterns(text: str) -> str:
    """The text with whatever looks like a credential replaced by a mask; other text comes back unchanged."""
    if not _HINT.search(text):
        return text
    shown = _URL_PASSWORD.sub(rf"\1:{MASK}@", text)
    for pattern in (_QUERY, _KEYWORD, _HEADER, _BEARER):
        shown = pattern.sub(rf"\1{MASK}", shown)
    shown = _QUOTED.sub(lambda found: f"{found[1]}{found[2][0]}{MASK}{found[2][0]}", shown)
    shown = _BASIC.sub(_mask_basic, shown)
    return _API_TOKEN.sub(MASK, _JWT.sub(MASK, shown))


def _mask_basic(found: re.Match[str]) -> str:
    """Only what decodes to name:password is a credential; "basic authentication" is two words."""
    try:
        is_credential = b":" in base64.b64decode(found[2], validate=True)
    except binascii.Error:
        is_credential = False
    return f"{found[1]}{MASK}" if is_credential else found[0]
