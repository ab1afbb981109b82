"""The correlation id of a request: accepted from the caller, or made here (A10)."""

from __future__ import annotations

import re

from resources.json_logs import new_correlation_id

HEADER = "X-Correlation-ID"
HEADER_NAME = HEADER.lower().encode()
_ACCEPTED = re.compile(rb"^[A-Za-z0-9._:-]{1,128}\Z")


def correlation_of(headers: list[tuple[bytes, bytes]]) -> str:
    """The caller's id when it is one; a fresh one otherwise."""
    given = next((value for name, value in headers if name == HEADER_NAME), b"")
    return given.decode() if _ACCEPTED.match(given) else new_correlation_id()
