"""One client per connection, opened when first needed and then shared: sessions, engines, pools."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from domain.loaders.definition import Connection

Client = TypeVar("Client")


class ClientCache(Generic[Client]):
    """Clients by connection. A changed password or header is another connection and gets a fresh client."""

    def __init__(self, open_client: Callable[[Connection], Client]) -> None:
        self._open_client = open_client
        self._clients: dict[tuple[object, ...], Client] = {}
        self._lock = threading.Lock()

    def client_for(self, connection: Connection) -> Client:
        """The client of this connection; opened at most once."""
        key = _identity(connection)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._open_client(connection)
            return self._clients[key]

    def take_all(self) -> list[Client]:
        """All clients opened so far, for the owner to close; the cache is empty afterwards."""
        with self._lock:
            clients = list(self._clients.values())
            self._clients.clear()
            return clients


def _identity(connection: Connection) -> tuple[object, ...]:
    secret = connection.password.get_secret_value() if connection.password else None
    headers = tuple(sorted(connection.headers.items()))
    return (connection.url, connection.username, secret, connection.verify_tls, connection.ca_file, headers)
