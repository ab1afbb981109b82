"""The API as a process of its own on loopback: started with any settings, spoken to by HTTP or by raw bytes."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from sqlalchemy import text

from domain.access.permissions import Role
from resources.access.login_audit import Visitor
from resources.clock import utc_now
from resources.control_plane import open_control_plane
from resources.secret_files import load_token
from resources.settings import export_environment
from tests.fakes.faulty_http import unused_port
from tests.fakes.platform import Platform

DEADLINE_S = 60.0


class ApiServer:
    """`python -m api` on a free port."""

    def __init__(self, platform: Platform, *, environment: dict[str, str] | None = None, **settings: Any) -> None:
        self.platform = platform
        self.port = unused_port()
        self.settings = platform.settings.model_copy(update={"api_port": self.port, **settings})
        self.log = platform.settings.home / f"api-{self.port}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "api"],
                env={**export_environment(self.settings), **(environment or {})},
                stderr=log,
            )
        scheme = "https" if self.settings.tls_cert_file else "http"
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        verify: ssl.SSLContext | bool = True
        if self.settings.tls_cert_file:
            verify = ssl.create_default_context(cafile=str(self.settings.tls_cert_file))
        self.client = httpx.Client(base_url=self.url, trust_env=False, timeout=30, verify=verify)

    @property
    def pusher(self) -> dict[str, str]:
        """The credential of the machine that pushes."""
        return {"Authorization": f"Bearer {load_token(self.settings.home, 'push.token')}"}

    def wait(self) -> None:
        """Until it answers that its process lives."""

        def answers() -> bool:
            try:
                return self.client.get("/healthz").status_code == 200
            except httpx.TransportError:
                assert self.process.poll() is None, self.log.read_text()[-2_000:]
                return False

        until(answers)

    def send_raw(self, data: bytes, *, timeout_s: float = 10.0) -> bytes:
        """Bytes as they are; everything that comes back until the server closes or is silent for a moment."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s) as connection:
            connection.sendall(data)
            received = b""
            while not is_whole(received):
                try:
                    piece = connection.recv(65_536)
                except TimeoutError:
                    break
                if not piece:
                    break
                received += piece
            return received

    def stop(self) -> int:
        """Politely; the exit code."""
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_S)


def is_whole(received: bytes) -> bool:
    """Whether one complete answer with a Content-Length is there."""
    head, separator, body = received.partition(b"\r\n\r\n")
    if not separator:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    return False


@contextmanager
def serving(platform: Platform, *, environment: dict[str, str] | None = None, **settings: Any) -> Iterator[ApiServer]:
    """A running API for the length of the block."""
    server = ApiServer(platform, environment=environment, **settings)
    try:
        server.wait()
        yield server
    finally:
        server.stop()


def bearer_of(platform: Platform, role: Role, *, name: str = "") -> dict[str, str]:
    """Headers of a logged-in user of that role, who is made when he is not there yet."""
    username = name or role.value.lower()
    with open_control_plane(platform.settings, platform.url) as control, control.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO users (username, role, created_by, created_at) VALUES (:u, :r, 'test', :at)"
                " ON CONFLICT DO NOTHING"
            ),
            {"u": username, "r": role.value, "at": utc_now()},
        )
        visitor = Visitor.of("127.0.0.1", "test")
        opened = control.login.open_for(connection, username, visitor=visitor, method="password", at=utc_now())
    return {"Authorization": f"Bearer {opened.access_token}"}


def until(condition: Callable[[], bool], *, deadline_s: float = DEADLINE_S) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        threading.Event().wait(0.05)
