"""Runs the real Prometheus of Debian on loopback with backfilled history, for tests and benchmarks."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import requests

from tests.fakes.faulty_http import unused_port


def is_installed() -> bool:
    """Both programs are there."""
    return bool(shutil.which("prometheus") and shutil.which("promtool"))


@contextmanager
def running_prometheus(folder: Path, open_metrics: str, *options: str) -> Iterator[str]:
    """The base URL of a server that holds `open_metrics` (without its `# EOF`) as history.

    Timestamps are seconds; the data folder is `folder`, which must exist and be empty.
    """
    text, data = folder / "history.om", folder / "data"
    text.write_text(f"{open_metrics}# EOF\n")
    data.mkdir()
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=9600h", "-q", text, data],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    config = folder / "prometheus.yml"
    config.write_text("global: {}\n")
    port = unused_port()
    command = [
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={data}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--storage.tsdb.retention.time=100y",
        "--log.level=error",
        *options,
    ]
    with (folder / "prometheus.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            _wait_until_ready(f"http://127.0.0.1:{port}", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(10)


def _wait_until_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline, session = time.monotonic() + 30, requests.Session()
    session.trust_env = False
    while time.monotonic() < deadline and server.poll() is None:
        with suppress(requests.RequestException):
            if session.get(f"{url}/-/ready", timeout=1).ok:
                return
        with suppress(subprocess.TimeoutExpired):
            server.wait(0.02)
    raise TimeoutError(f"prometheus did not become ready at {url}")
