"""Ports that stay the same: a home's simulator listens where it listened the last time, as long as those ports are free.

So a simulator that is started again is found under the addresses that loaders already know.
"""

from __future__ import annotations

import socket
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson


@dataclass(frozen=True)
class Ports:
    """0: none yet."""

    http: int = 0
    elasticsearch: int = 0
    smtp: int = 0


def load_ports(path: Path) -> Ports:
    """The ports of the last start; zeros when there was none or the file is damaged."""
    try:
        return Ports(**orjson.loads(path.read_bytes()))
    except (OSError, TypeError, orjson.JSONDecodeError):
        return Ports()


def save_ports(path: Path, ports: Ports) -> None:
    """Remember them."""
    draft = path.with_suffix(".draft")
    draft.write_bytes(orjson.dumps(asdict(ports)))
    draft.replace(path)


def open_listener(wanted: int, *, last: int) -> socket.socket:
    """A socket on 127.0.0.1: on `wanted` if given, else on the last port, else on any free one.

    Raises:
        OSError: `wanted` is in use.
    """
    if wanted:
        return socket.create_server(("127.0.0.1", wanted))
    return socket.create_server(("127.0.0.1", last if last and is_free(last) else 0))


def is_free(port: int) -> bool:
    """Whether one could listen on the port now."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
