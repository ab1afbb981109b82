"""Serve the API in the foreground: `python -m api`. Started by `etlmon up`; settings come from the environment."""

from __future__ import annotations

import uvicorn

from api.app import create_app
from resources.json_logs import configure_logs
from resources.platform import open_database
from resources.settings import load_settings


def serve() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = load_settings()
    configure_logs("etlmon-api", level=settings.log_level)
    with open_database(settings) as url:
        uvicorn.run(
            create_app(settings, url),
            host=settings.api_host,
            port=settings.api_port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=5,
        )


if __name__ == "__main__":
    serve()
