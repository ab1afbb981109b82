"""The API on loopback inside the test process: real HTTP, and its services at hand."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import uvicorn

from api.app import create_app
from domain.access.permissions import Role
from resources.control_plane import ControlPlane
from resources.postgres.url import DatabaseUrl
from resources.settings import Settings

PASSWORD = "four unrelated words"


@dataclass(frozen=True)
class LiveApi:
    url: str
    control: ControlPlane
    client: httpx.Client
    app: object

    def add_user(
        self, name: str, role: Role = Role.VIEWER, *, password: str = PASSWORD, has_to_change: bool = False
    ) -> None:
        """Somebody who has changed the first password already."""
        self.control.users.create(name, role, actor="test", password=password)
        if not has_to_change:
            with self.control.engine.begin() as connection:
                connection.exec_driver_sql(
                    "UPDATE users SET has_to_change_password = false WHERE username = %s", (name,)
                )

    def log_in(self, name: str, *, password: str = PASSWORD) -> httpx.Response:
        return self.client.post("/api/v1/auth/login", json={"username": name, "password": password})

    def bearer(self, name: str, *, password: str = PASSWORD) -> dict[str, str]:
        """Headers of a fresh login."""
        answer = self.log_in(name, password=password)
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['accessToken']}"}


@contextmanager
def live_api(settings: Settings, url: DatabaseUrl) -> Iterator[LiveApi]:
    """Serve until the block ends; without rate limits, so that a test may ask as often as it needs."""
    app = create_app(settings.model_copy(update={"rate_limit_per_minute": 1_000_000}), url)
    with app.state.control_plane.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE rate_limits SET per_minute = 1000000")
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False, proxy_headers=False)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline, pause = time.monotonic() + 30, threading.Event()
        while not server.started:
            assert time.monotonic() < deadline
            assert thread.is_alive()
            pause.wait(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        address = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=address, trust_env=False, timeout=30) as client:
            yield LiveApi(address, app.state.control_plane, client, app)
    finally:
        server.should_exit = True
        thread.join(30)
