"""The Elasticsearch API of the estate: an `osmem-server` child that ends when this process does, however it ends."""

from __future__ import annotations

import os
import subprocess

import orjson

from domain.errors import SourceUnreachableError

MEMORY = {"GOMEMLIMIT": "260MiB", "GOGC": "50"}  # measured: 15,000 lines stay below 300 MB


class LogStore:
    """A running server; `url` answers the Elasticsearch API on loopback."""

    def __init__(self, *, port: int = 0) -> None:
        from osmem_server import resolve_binary

        command = [resolve_binary(), "-addr", f"127.0.0.1:{port}", "-no-ja"]
        self._process = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,  # it exits when this pipe closes
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **MEMORY},
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.close()
            raise SourceUnreachableError(
                f"osmem-server ended at once (port {port})",
                suggestion="choose another --elasticsearch-port, or reinstall the package osmem-server",
            )
        self.url = str(orjson.loads(line)["url"]).rstrip("/")
        self.port = int(self.url.rsplit(":", 1)[1])
        self.pid = self._process.pid

    def close(self) -> None:
        """Close its input and wait for its end."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
