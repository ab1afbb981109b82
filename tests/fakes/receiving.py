"""The simulated providers on loopback, and an ASGI app on a socket whose port is known before the app is made."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import uvicorn
from starlette.applications import Starlette

from domain.notification.message import Channel, Message, MessageKind
from domain.vocabulary import Severity
from resources.simulator.received import ReceivedBook
from resources.simulator.receivers import Receivers
from resources.simulator.receivers_smtp import FakeMailServer

TOKEN = "twilio-auth-token-of-the-tests"
AT = datetime(2026, 1, 3, 14, 23, 5, tzinfo=UTC)
FACTS: dict[str, Any] = {
    "incident_id": 12345,
    "code": "INC-12345",
    "title": "Database connection failure",
    "service": "loader-service",
    "impact": "Signal ingestion stopped",
    "state": "OPEN",
    "detected_at": AT.isoformat(),
    "dashboard_url": "https://grafana.tiqmo.com/d/etl-ops",
    "incident_url": "https://monitor.tiqmo.com/incidents/INC-12345",
}


def a_message(channel: Channel, address: str, **changes: Any) -> Message:
    """The alert of the proposal's example."""
    facts = {**FACTS, **changes.pop("facts", {})}
    return Message(
        **{
            "message_id": 7,
            "idempotency_key": f"incident:12345:opened:{channel.value}:ann",
            "kind": MessageKind.OPENED,
            "channel": channel,
            "recipient": "ann",
            "address": address,
            "severity": Severity.CRITICAL,
            "is_drill": False,
            "facts": facts,
            "created_at": AT,
            **changes,
        }
    )


@dataclass(frozen=True)
class Providers:
    url: str
    book: ReceivedBook
    mail: FakeMailServer
    receivers: Receivers

    def got(self, name: str) -> list[dict[str, Any]]:
        """What a receiver got, oldest first."""
        return self.book.read(name)[::-1]


@contextmanager
def serve(make: Callable[[str], Any]) -> Iterator[str]:
    """The app that `make` returns for its own address, until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(make(url), log_config=None, access_log=False, proxy_headers=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        wait_for(lambda: server.started or not thread.is_alive())
        assert server.started
        yield url
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()


@contextmanager
def providers() -> Iterator[Providers]:
    """All simulated providers."""
    book = ReceivedBook(time.time)
    receivers = Receivers(book, twilio_auth_token=TOKEN)
    mail = FakeMailServer(book)
    try:
        with serve(lambda _: Starlette(routes=receivers.routes())) as url:
            yield Providers(url, book, mail, receivers)
    finally:
        mail.close()


def wait_for(condition: Callable[[], Any], *, deadline_s: float = 20.0) -> Any:
    """What the condition answers once it is true."""
    deadline, pause = time.monotonic() + deadline_s, threading.Event()
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        pause.wait(0.02)
    return found
