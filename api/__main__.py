"""Serve the API in the foreground: `python -m api`. Started by `etlmon up`; settings come from the environment.

With ETLMON_API_WORKERS over 1 this process holds the port and the database, and watches as many processes as the setting
says; each of them makes an app of its own.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import uvicorn

from domain.errors import ConfigurationError
from resources.json_logs import configure_logs
from resources.platform import open_database
from resources.postgres.url import DatabaseUrl
from resources.settings import Settings, load_settings
from resources.tracing import configure_tracing

if TYPE_CHECKING:
    from fastapi import FastAPI

_PR_SET_PDEATHSIG = 1
_GRACE_S = 5


def serve() -> None:
    """Run until SIGTERM or SIGINT; requests under way have five seconds to end."""
    signal.signal(signal.SIGTERM, _end)  # uvicorn raises it once more when it has finished
    settings = load_settings()
    configure_logs("etlmon-api", level=settings.log_level)
    options = _options(settings)
    with open_database(settings) as url:
        if settings.api_workers == 1:
            uvicorn.run(_make_app(settings, url), **options)
            return
        os.environ["ETLMON_DATABASE_URL"] = url.render()  # for the workers; this process keeps the server running
        folder = settings.home / "run" / "metrics"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
        uvicorn.run("api.__main__:make_worker", factory=True, workers=settings.api_workers, **options)


def _end(_: int, __: FrameType | None) -> NoReturn:
    """An orderly end: what is open is closed on the way out, the embedded database among it."""
    sys.exit(0)


def make_worker() -> FastAPI:
    """The app of one worker process. It ends with the process that started it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    settings = load_settings()
    configure_logs("etlmon-api", level=settings.log_level)
    assert settings.database_url is not None
    return _make_app(settings, DatabaseUrl.parse(settings.database_url.get_secret_value()))


def _make_app(settings: Settings, url: DatabaseUrl) -> FastAPI:
    from api.app import create_app  # prometheus_client looks at the environment when it is imported

    configure_tracing("etlmon-api")
    return create_app(settings, url)


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "host": settings.api_host,
        "port": settings.api_port,
        "http": "h11",
        "ws": "none",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,  # `api.client_address` reads them, from proxies that the settings name
        "timeout_graceful_shutdown": _GRACE_S,
        "h11_max_incomplete_event_size": 64 * 1024,
        **_tls(settings),
    }


def _tls(settings: Settings) -> dict[str, str]:
    """Certificate and key, both or none.

    Raises:
        ConfigurationError: one of them is missing, on disk or among the settings.
    """
    given: dict[str, Path | None] = {"ssl_certfile": settings.tls_cert_file, "ssl_keyfile": settings.tls_key_file}
    if not any(given.values()):
        return {}
    for name, variable in (("ssl_certfile", "ETLMON_TLS_CERT_FILE"), ("ssl_keyfile", "ETLMON_TLS_KEY_FILE")):
        path = given[name]
        if path is None or not path.is_file():
            raise ConfigurationError(
                f"{variable} names no file: {path}" if path else f"{variable} is not set",
                suggestion="TLS needs both ETLMON_TLS_CERT_FILE and ETLMON_TLS_KEY_FILE",
                variable=variable,
            )
    return {name: str(path) for name, path in given.items()}


if __name__ == "__main__":
    serve()
