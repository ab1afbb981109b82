"""Headers that every answer carries: what a browser must not do with it."""

from __future__ import annotations

from starlette.types import Scope

#: Everything from this server, no inline script, no frame, no plug-in.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self';"
    " object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_ALWAYS: list[tuple[bytes, bytes]] = [
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
]
_NO_STORE = (b"cache-control", b"no-store")
_STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")


def security_headers(scope: Scope, given: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """What is to be added to the headers of an answer; what a route has set itself stays."""
    names = {name.lower() for name, _ in given}
    wanted = [*_ALWAYS, _NO_STORE, *([_STRICT_TRANSPORT] if scope["scheme"] == "https" else [])]
    return [(name, value) for name, value in wanted if name not in names]
