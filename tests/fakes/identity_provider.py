"""An OpenID Connect provider on loopback: discovery, keys, token endpoint. Tests tell it what to put into the next id token."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_ID = "etlmon-test"
CLIENT_SECRET = "provider secret"


class IdentityProvider:
    """`claims` and `sign` are what a test bends; `authorize` plays the browser at the login form."""

    def __init__(self, address: str) -> None:
        self.issuer = address
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.key_id = secrets.token_hex(4)
        self.claims: dict[str, Any] = {}
        self.algorithm = "RS256"
        self.said_issuer = address
        self.codes: dict[str, dict[str, str]] = {}
        self.key_requests = 0

    def authorize(self, url: str) -> dict[str, str]:
        """What the provider sends the browser back with: code and state."""
        asked = dict(parse_qsl(urlsplit(url).query))
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = secrets.token_hex(8)
        self.codes[code] = asked
        return {"code": code, "state": asked["state"]}

    def documents(self) -> dict[str, Any]:
        key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {
            "/.well-known/openid-configuration": {
                "issuer": self.said_issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
            },
            "/keys": {"keys": [{"kty": "oct", "k": "AAAA", "kid": "odd"}, {**key, "kid": self.key_id, "use": "sig"}]},
        }

    def exchange(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        asked = self.codes.pop(form.get("code", ""), None)
        challenge = (
            base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
            .rstrip(b"=")
            .decode()
        )
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if asked is None or asked["code_challenge"] != challenge or asked["redirect_uri"] != form.get("redirect_uri"):
            return 400, {"error": "invalid_grant"}
        if authorization != f"Basic {basic}":
            return 401, {"error": "invalid_client"}
        now = int(time.time())
        claims = {
            "iss": self.issuer, "sub": "subject-1", "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": asked["nonce"],
            "preferred_username": "erika", **self.claims,
        }  # fmt: skip
        return 200, {"access_token": "opaque", "token_type": "Bearer", "id_token": self.sign(claims)}

    def sign(self, claims: dict[str, Any]) -> str:
        headers = {"kid": self.key_id}
        if self.algorithm == "none":
            return jwt.encode(claims, None, algorithm="none", headers=headers)
        if self.algorithm == "HS256":  # the public key taken for a secret
            body = ".".join(_b64(json.dumps(part).encode()) for part in ({"alg": "HS256", "kid": self.key_id}, claims))
            import hmac

            secret = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()).encode()
            return f"{body}.{_b64(hmac.digest(secret, body.encode(), 'sha256'))}"
        return jwt.encode(claims, self.key, algorithm="RS256", headers=headers)

    def rotate(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.key_id = secrets.token_hex(4)


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@contextmanager
def identity_provider() -> Iterator[IdentityProvider]:
    """Serve until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            document = provider.documents().get(self.path)
            provider.key_requests += self.path == "/keys"
            self.answer(200 if document else 404, document or {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self.answer(*provider.exchange(form, self.headers.get("Authorization", "")))

        def answer(self, status: int, document: dict[str, Any]) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = IdentityProvider(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
