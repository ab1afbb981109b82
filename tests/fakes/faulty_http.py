"""A small HTTP server on loopback that answers what a test tells it to: hang, drip, cut, TLS, rubbish."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request as the server saw it."""

    method: str
    path: str
    fields: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What to answer. `pieces` are sent one by one; `length` overrides the announced Content-Length."""

    status: int = 200
    pieces: Iterable[bytes] = (b"",)
    length: int | None = None
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    hangs: bool = False
    drip_s: float = 0.0


def reply_json(text: str | bytes, *, status: int = 200, **headers: str) -> Reply:
    """A complete, well-behaved answer."""
    body = text.encode() if isinstance(text, str) else text
    return Reply(status, (body,), len(body), {"Content-Type": "application/json", **headers})


class FaultyHttp:
    """`with FaultyHttp(lambda asked: reply_json("{}")) as server: server.url`. Every request is kept in `server.asked`."""

    def __init__(self, behaviour: Callable[[Asked], Reply], *, tls_folder: Path | None = None) -> None:
        self.asked: list[Asked] = []
        self.connections = 0
        self.closing = threading.Event()
        self.certificate = None if tls_folder is None else write_certificate(tls_folder)
        self._behaviour = behaviour
        self._server = _Server(("127.0.0.1", 0), _handler_of(self))
        if self.certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_address[1]
        self.url = f"{'https' if tls_folder else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def decide(self, asked: Asked) -> Reply:
        """What this request is answered with."""
        self.asked.append(asked)
        return self._behaviour(asked)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up or refuses the certificate is what these tests are about."""


def _handler_of(owner: FaultyHttp) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            owner.connections += 1
            super().setup()

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            is_form = "form-urlencoded" in (self.headers.get("Content-Type") or "")
            fields = dict(parse_qsl(parts.query) + (parse_qsl(body.decode()) if is_form else []))
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = owner.decide(Asked(self.command, parts.path, fields, headers, body))
            if reply.hangs:
                owner.closing.wait(30)
                self.close_connection = True
                return
            self._send(reply)

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.length is not None:
                self.send_header("Content-Length", str(reply.length))
            else:
                self.close_connection = True
                self.send_header("Connection", "close")
            self.end_headers()
            sent = 0
            for piece in reply.pieces:
                self.wfile.write(piece)
                sent += len(piece)
                if reply.drip_s and owner.closing.wait(reply.drip_s):
                    break
            if reply.length is not None and sent < reply.length:
                self.close_connection = True

        def do_GET(self) -> None:
            self.answer()

        def do_POST(self) -> None:
            self.answer()

        def do_HEAD(self) -> None:
            self.answer()

        def do_DELETE(self) -> None:
            self.answer()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return Handler


def unused_port() -> int:
    """A port of loopback on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_certificate(folder: Path) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key, in one PEM file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path
