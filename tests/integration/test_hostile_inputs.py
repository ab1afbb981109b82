"""Hostile requests and the exact answer each one gets. None of them is a 5xx, none tells what stands behind.

Every request is written to the socket as it stands here, so that no client library repairs it.
"""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest

from domain.access.permissions import Role
from domain.loaders.definition import LoaderDefinition
from resources.clock import utc_now
from resources.loaders.versions import load_loader_versions
from resources.postgres.engine import make_engine
from tests.fakes.api_server import ApiServer, bearer_of, serving
from tests.fakes.platform import Platform

#: What the parser answers, before there is a request to speak of.
PARSER = "parser"
SQL = "' OR '1'='1"
LIMIT = '{"scope": "user", "name": "mallory", "perMinute": 5}'


@dataclass(frozen=True)
class Hostile:
    """One input; `error` is the errorType of the problem document, empty for a well-formed answer."""

    name: str
    status: int
    error: str = ""
    target: str = "/healthz"
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    raw: bytes = b""
    role: Role | None = Role.ADMIN

    def request(self, credentials: dict[Role | None, dict[str, str]]) -> bytes:
        if self.raw:
            return self.raw
        given = {"Host": "localhost", "Connection": "close", **credentials[self.role], **self.headers}
        if self.body and "Content-Length" not in given and "Transfer-Encoding" not in given:
            given["Content-Length"] = str(len(self.body))
        lines = [f"{self.method} {self.target} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + self.body


def get(name: str, target: str, status: int, error: str = "", **more: Any) -> Hostile:
    return Hostile(name, status, error, target=target, **more)


def raw(name: str, data: bytes, status: int, error: str = PARSER) -> Hostile:
    return Hostile(name, status, error, raw=data)


def put(name: str, body: str | bytes, status: int, error: str, content_type: str = "application/json") -> Hostile:
    """Sent to a route that takes JSON."""
    data = body.encode() if isinstance(body, str) else body
    headers = {"Content-Type": content_type} if content_type else {}
    return Hostile(name, status, error, target="/api/v1/rate-limits", method="PUT", headers=headers, body=data)


def push(name: str, body: bytes, status: int, error: str) -> Hostile:
    """Sent to the push loader."""
    return Hostile(name, status, error, target="/api/v1/signals?loader_code=DEMO-PUSH", method="POST", body=body)


LABELLED = b'{"signals": [{"metric_name": "orders", "labels": {"where": "shop"}, "metric_value": 1}]}'
INPUT, MALFORMED, MISSING = "INPUT_DATA_ERROR", "MALFORMED_REQUEST", "NOT_FOUND"
METHOD, TYPE, LARGE, WHO = "METHOD_NOT_ALLOWED", "UNSUPPORTED_CONTENT_TYPE", "BODY_TOO_LARGE", "NOT_AUTHENTICATED"
INJECTED = quote(SQL)
POST = b"POST /api/v1/signals?loader_code=X HTTP/1.1\r\nHost: x\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"

SMUGGLING = [
    raw("length and chunked", POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, MALFORMED),
    raw("two lengths", POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
    raw("signed length", POST + b"Content-Length: +5\r\n\r\nhello", 400),
    raw("negative length", POST + b"Content-Length: -5\r\n\r\nhello", 400),
    raw("length of 23 digits", POST + b"Content-Length: 99999999999999999999999\r\n\r\n", 400),
    raw("length of 100 GB", POST + b"Content-Length: 99999999999\r\n\r\n", 413, LARGE),
    raw("unknown transfer encoding", POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    raw("chunked twice", POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    raw("blank before the colon", POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    raw("two hosts", HEALTH + b"Host: y\r\n\r\n", 400),
    raw("no host", b"GET /healthz HTTP/1.1\r\n\r\n", 400),
    raw("no host in HTTP/1.0", b"GET /healthz HTTP/1.0\r\n\r\n", 400, MALFORMED),
    raw("absolute target", b"GET http://evil.example/healthz HTTP/1.1\r\nHost: x\r\n\r\n", 400, MALFORMED),
    raw("NUL in a header", HEALTH + b"X-A: a\x00b\r\n\r\n", 400),
    raw("bare CR in a header", HEALTH + b"X-A: a\rb\r\n\r\n", 400),
    raw("two blanks in the request line", b"GET  /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    raw("blank in the path", b"GET /health z HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    raw("raw bytes in the path", b"GET /health\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    raw("TLS on the plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    raw("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, MALFORMED),
    raw("headers of 40 KB", HEALTH + b"X-A: " + b"a" * 40_000 + b"\r\n\r\n", 431, "HEADERS_TOO_LARGE"),
    raw("200 headers", HEALTH + b"".join(b"X-%d: a\r\n" % k for k in range(200)) + b"\r\n", 431, "HEADERS_TOO_LARGE"),
    raw("two credentials", HEALTH + b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n", 400, MALFORMED),
    raw("folded header", HEALTH + b"X-A: b\r\n folded\r\n\r\n", 200, ""),
]  # fmt: skip

PATHS = [
    get("dots", "/api/v1/../../etc/passwd", 400, MALFORMED),
    get("encoded dots", "/api/v1/%2e%2e/%2e%2e/etc/passwd", 400, MALFORMED),
    get("dots and encoded slash", "/..%2f..%2fetc%2fpasswd", 400, MALFORMED),
    get("dots and encoded backslash", "/..%5c..%5cwindows", 400, MALFORMED),
    get("doubly encoded dots stay a name", "/%252e%252e/etc/passwd", 404, MISSING),
    get("static with dots", "/static/../../../pyproject.toml", 400, MALFORMED),
    get("overlong UTF-8 dots", "/%c0%ae%c0%ae/etc/passwd", 400, MALFORMED),
    get("NUL in the path", "/healthz%00.json", 400, MALFORMED),
    get("line break in the path", "/healthz%0d%0aX-Injected:1", 400, MALFORMED),
    get("double slash", "//evil.example/healthz", 400, MALFORMED),
    get("URL of 9 KB", "/healthz?a=" + "a" * 9_000, 414, "URI_TOO_LONG"),
    get("dot file", "/.env", 404, MISSING),
    get("dot git", "/.git/config", 404, MISSING),
    get("encoded slash in a parameter", "/api/v1/users/a%2Fb", 400, MALFORMED),
]

INJECTIONS = [
    get("SQL in a search is a text", f"/api/v1/loaders?search={INJECTED}", 200),
    get("SQL in owner is a text", f"/api/v1/loaders?owner={INJECTED}", 200),
    get("SQL wildcards are texts", "/api/v1/loaders?search=%25_%25", 200),
    get("SQL in state", f"/api/v1/loaders?state={INJECTED}", 422, INPUT),
    get("SQL in source", f"/api/v1/loaders?source={INJECTED}", 422, INPUT),
    get("SQL in sort", "/api/v1/loaders?sort=code;DROP%20TABLE%20users", 422, INPUT),
    get("SQL in limit", "/api/v1/loaders?limit=1;DELETE%20FROM%20users", 422, INPUT),
    get("SQL in a loader's code", f"/api/v1/loaders/{INJECTED}", 422, INPUT),
    get("SQL in a version", "/api/v1/loaders/DEMO-A/versions/1%20OR%201=1", 422, INPUT),
    get("SQL in a difference", "/api/v1/loaders/DEMO-A/diff?from=1&to=1;DROP", 422, INPUT),
    get("SQL in a user", f"/api/v1/users/{INJECTED}", 422, INPUT),
    get("SQL in the actor is a text", f"/api/v1/audit?actor={INJECTED}", 200),
    get("SQL in an instant", f"/api/v1/audit?since={INJECTED}", 422, INPUT),
    get("SQL in a sequence", "/api/v1/audit/1%20UNION%20SELECT%201", 422, INPUT),
    get("SQL in the login audit is a text", f"/api/v1/login-audit?username={INJECTED}", 200),
    get("SQL in an outcome", f"/api/v1/login-audit?outcome={INJECTED}", 422, INPUT),
    get("SQL in a token", f"/api/v1/api-tokens/{INJECTED}", 422, INPUT),
    get("SQL in an import", f"/api/v1/loaders/imports/{INJECTED}", 422, INPUT),
    get("SQL in a breaker", f"/api/v1/breakers/{INJECTED}/reset", 422, INPUT, method="POST"),
    get("SQL in a limit's name", f"/api/v1/rate-limits?scope=user&name={INJECTED}", 422, INPUT, method="DELETE"),
    get("SQL in a policy", f"/api/v1/field-policies?resource={INJECTED}&field=a&role=ADMIN", 422, INPUT, method="DELETE"),
    get("SQL in the funnel", f"/api/v1/signals/funnel?minutes={INJECTED}", 422, INPUT),
    get("SQL in a loader of a push is a name", f"/api/v1/signals?loader_code={INJECTED}", 404, MISSING, method="POST"),
]  # fmt: skip

NUMBERS = [
    get("negative limit", "/api/v1/loaders?limit=-1", 422, INPUT),
    get("no limit", "/api/v1/rate-limits?limit=0", 422, INPUT),
    get("huge limit", "/api/v1/audit?limit=99999999999999999999", 422, INPUT),
    get("huge offset", "/api/v1/users?offset=99999999999999999999999", 422, INPUT),
    get("limit of 5,000 digits", f"/api/v1/loaders?limit={'9' * 5_000}", 422, INPUT),
    get("limit in words", "/api/v1/loaders?limit=NaN", 422, INPUT),
    get("huge version", "/api/v1/loaders/DEMO-A/versions/99999999999999999999", 422, INPUT),
    get("negative sequence", "/api/v1/audit/-1", 422, INPUT),
    get("Arabic digits are no digits", "/api/v1/audit/%D9%A1", 422, INPUT),
]

UNICODE = [
    get("NUL in a query", "/api/v1/loaders?search=a%00b", 400, MALFORMED),
    get("broken UTF-8 in a query", "/api/v1/loaders?search=%ff%fe", 400, MALFORMED),
    get("a surrogate in UTF-8", "/api/v1/loaders?search=%ed%a0%80", 400, MALFORMED),
    get("right-to-left override in a user", "/api/v1/users/admin%E2%80%AE", 422, INPUT),
    get("Kelvin sign for k is not folded", "/api/v1/users/%E2%84%AAelvin", 422, INPUT),
    get("full-width letters are not folded", "/api/v1/users/%EF%BD%81dmin", 422, INPUT),
    get("combining marks in a search", "/api/v1/loaders?search=e%CC%81", 200),
    put("half of a surrogate pair in JSON", LIMIT.replace("mallory", "\\ud800"), 422, INPUT),
    put("NUL in JSON", LIMIT.replace("mallory", "a\\u0000b"), 422, INPUT),
    put("JSON in Latin-1", LIMIT.replace("mallory", "\u00e9").encode("latin-1"), 422, INPUT),
    put("JSON in UTF-16", LIMIT.encode("utf-16"), 422, INPUT),
]

BODIES = [
    put("duplicate key", LIMIT.replace('"perMinute"', '"perMinute": 1, "perMinute"'), 422, INPUT),
    put("duplicate key by escape", LIMIT.replace('"perMinute"', '"perMinut\\u0065": 1, "perMinute"'), 422, INPUT),
    put("unknown key", LIMIT.replace("{", '{"isAdmin": true, '), 422, INPUT),
    put("prototype pollution", LIMIT.replace("{", '{"__proto__": {"role": "ADMIN"}, '), 422, INPUT),
    put("70 levels", '{"a":' * 70 + "1" + "}" * 70, 422, INPUT),
    put("100,000 levels", "[" * 100_000 + "]" * 100_000, 422, INPUT),
    put("not a number", LIMIT.replace("5", "NaN"), 422, INPUT),
    put("1e999", LIMIT.replace("5", "1e999"), 422, INPUT),
    put("10,000 digits", LIMIT.replace("5", "9" * 10_000), 422, INPUT),
    put("negative", LIMIT.replace("5", "-5"), 422, INPUT),
    put("a number as text", LIMIT.replace("5", '"5; DROP TABLE users"'), 422, INPUT),
    put("an array", "[]", 422, INPUT),
    put("no JSON", "<xml/>", 422, INPUT),
    put("external entity as XML", "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>", 415, TYPE, "text/xml"),
    put("JSON as text", LIMIT, 415, TYPE, "text/plain"),
    put("JSON without a type", LIMIT, 415, TYPE, ""),
    put("a form", "scope=user&name=mallory&perMinute=5", 415, TYPE, "application/x-www-form-urlencoded"),
    put("2 MB", b" " * (2 << 20) + LIMIT.encode(), 413, LARGE),
    Hostile(
        "2 MB in chunks", 413, LARGE, target="/api/v1/rate-limits", method="PUT",
        headers={"Content-Type": "application/json", "Transfer-Encoding": "chunked"},
        body=(b"10000\r\n" + b" " * 65_536 + b"\r\n") * 32 + b"0\r\n\r\n",
    ),
    Hostile(
        "compressed", 415, TYPE, target="/api/v1/rate-limits", method="PUT", body=b"\x1f\x8b\x08",
        headers={"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ),
    Hostile(
        "a workbook that is none", 422, "WORKBOOK_REFUSED", target="/api/v1/loaders/import", method="POST", body=b"PK\x03\x04 no",
        headers={"Content-Type": "application/octet-stream"},
    ),
    Hostile(
        "a workbook of 26 MB", 413, LARGE, target="/api/v1/loaders/import", method="POST",
        headers={"Content-Type": "application/octet-stream", "Content-Length": str(26 << 20)}, body=b"PK",
    ),
    push("a push of 100,000 levels", b"[" * 100_000, 422, INPUT),
    push("a push of deep labels", b'{"signals": [{"metric_name": "a", "labels": ' + b'{"a":' * 900 + b"1" + b"}" * 901 + b"]}", 422, INPUT),
    push("a push of a NUL in a label", LABELLED.replace(b"shop", b"sh\\u0000p"), 422, INPUT),
    push("a push of half a surrogate pair", LABELLED.replace(b"shop", b"\\ud800"), 422, INPUT),
    push("a push of the value NaN", LABELLED.replace(b": 1", b": NaN"), 422, INPUT),
    push("a push of 1e400", LABELLED.replace(b": 1", b": 1e400"), 422, INPUT),
    push("a push of SQL in a name", LABELLED.replace(b"orders", SQL.encode()), 422, INPUT),
    push("a push of SQL in a label is a text", LABELLED.replace(b"shop", SQL.encode()), 202, ""),
]  # fmt: skip

DOORS = [
    get("TRACE", "/healthz", 405, METHOD, method="TRACE"),
    get("PROPFIND", "/api/v1/loaders", 405, METHOD, method="PROPFIND"),
    get("lower-case method", "/healthz", 405, METHOD, method="get"),
    get("CONNECT", "example.com:80", 404, MISSING, method="CONNECT"),
    get("DELETE of a list", "/api/v1/users", 405, METHOD, method="DELETE"),
    get("method override is not read", "/api/v1/users", 200, headers={"X-HTTP-Method-Override": "DELETE"}),
    get("override in the query is not read", "/api/v1/users?_method=DELETE", 200),
    get("foreign host", "/healthz", 400, MALFORMED, headers={"Host": "evil.example"}),
    get("host with credentials", "/healthz", 400, MALFORMED, headers={"Host": "a@evil.example"}),
    get("host with a path", "/healthz", 400, MALFORMED, headers={"Host": "localhost/evil"}),
    get("rewrite header is not read", "/healthz", 200, headers={"X-Original-URL": "/api/v1/users"}),
    get("no algorithm", "/api/v1/auth/me", 401, WHO, role=None,
        headers={"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9."}),
    get("Basic", "/api/v1/auth/me", 401, WHO, role=None, headers={"Authorization": "Basic YWRtaW46YWRtaW4="}),
    get("a token of 20 KB", "/api/v1/auth/me", 401, WHO, role=None, headers={"Authorization": "Bearer " + "a" * 20_000}),
    get("a forged address is still nobody", "/api/v1/users", 401, WHO, role=None, headers={"X-Forwarded-For": "127.0.0.1"}),
    get("redirect after OIDC", "/api/v1/auth/oidc/start?next=https://evil.example", 404, MISSING, role=None),
    get("redirect after the login page", "/login?next=https://evil.example/", 200, role=None),
    get("a page sends strangers to the login", "/?next=//evil.example", 303, role=None, headers={"Accept": "text/html"}),
    get("redirect in a path", "/%09/evil.example", 400, MALFORMED, role=None),
    get("websocket", "/healthz", 200, headers={
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "eA==", "Sec-WebSocket-Version": "13"}),
]  # fmt: skip

PUSHED = {
    "code": "DEMO-PUSH", "title": "t", "source": "push", "connection": "push", "schedule": "* * * * *", "step_s": 1,
    "push": [{"metric_name": "orders", "kind": "counter"}],
}  # fmt: skip
TABLE = [*SMUGGLING, *PATHS, *INJECTIONS, *NUMBERS, *UNICODE, *BODIES, *DOORS]
LEAKS = ("Traceback", 'File "', "psycopg", "sqlalchemy", "SELECT ", "/site-packages/", "root:x:")


@dataclass(frozen=True)
class Seen:
    status: int
    error: str
    head: str
    body: str


def leads_away(head: str) -> bool:
    """A header that was smuggled in, or a redirect to somebody else's site."""
    fields = [line.partition(": ")[::2] for line in head.split("\r\n")[1:]]
    return any(
        name.lower() == "x-injected"
        or (name.lower() == "location" and (value[:1] != "/" or value[:2] in {"//", "/\\"}))
        for name, value in fields
    )


def send(api: ApiServer, data: bytes) -> Seen:
    head, _, body = api.send_raw(data).partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    length = next((int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:")), len(body))
    body = body[:length]  # what came after it may have been answered too
    status = int(lines[0].split()[1]) if lines[0].startswith("HTTP/1.1 ") else 0
    error = ""
    if "application/problem+json" in head.decode("latin-1"):
        error = str(json.loads(body)["errorType"])
    elif status >= 400 and b"Invalid HTTP request received." in body:
        error = PARSER
    return Seen(status, error, head.decode("latin-1"), body.decode("utf-8", "replace"))


@pytest.mark.requirement("A11")
def test_each_hostile_input_gets_its_exact_answer(platform: Platform) -> None:
    assert len(TABLE) >= 100
    assert len({one.name for one in TABLE}) == len(TABLE)
    wrong = []
    with serving(platform, rate_limit_per_minute=1_000_000) as api:
        credentials: dict[Role | None, dict[str, str]] = {role: bearer_of(platform, role) for role in Role}
        credentials[None] = {}
        engine = make_engine(platform.url)
        load_loader_versions(platform.settings.home, engine).seed(
            [LoaderDefinition.model_validate(PUSHED)], at=utc_now()
        )
        engine.dispose()
        for one in TABLE:
            seen = send(api, one.request(credentials))
            if (seen.status, seen.error) != (one.status, one.error):
                wrong.append(
                    f"{one.name}: {seen.status} {seen.error!r} instead of {one.status} {one.error!r}: {seen.body[:200]}"
                )
            if any(leak in seen.body for leak in LEAKS):
                wrong.append(f"{one.name} leaks: {seen.body[:300]}")
            if leads_away(seen.head):
                wrong.append(f"{one.name} reflects: {seen.head[:300]}")
        assert api.client.get("/api/v1/users", headers=credentials[Role.ADMIN]).json()["total"] == 3, (
            "all are still there"
        )
        assert '"status": 500' not in api.log.read_text()
    assert not wrong, "\n".join(wrong)


@pytest.mark.requirement("A3")
def test_the_time_of_a_login_does_not_tell_who_exists(platform: Platform) -> None:
    with serving(platform, rate_limit_per_minute=1_000_000) as api:
        bearer_of(platform, Role.VIEWER)
        bearer_of(platform, Role.ADMIN)
        admin = bearer_of(platform, Role.ADMIN)
        change = {"scope": "route", "name": "POST /api/v1/auth/login", "perMinute": 100_000}
        assert api.client.put("/api/v1/rate-limits", json=change, headers=admin).status_code == 200

        def took(name: str) -> float:
            began = time.perf_counter()
            answer = api.client.post("/api/v1/auth/login", json={"username": name, "password": "wrong words of mine"})
            assert answer.status_code == 401
            return time.perf_counter() - began

        took("warm-up")
        pairs = [(took("viewer"), took(f"nobody{k}")) for k in range(4)]
        known, unknown = (statistics.median(times) for times in zip(*pairs, strict=True))
        assert 0.4 < known / unknown < 2.5, f"{known * 1000:.0f} ms and {unknown * 1000:.0f} ms"
