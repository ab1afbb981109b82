"""`etlmon up`: the whole platform in the foreground, with a display of what is going on. Ctrl-C stops all of it."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


class Stopped(BaseException):
    """SIGINT or SIGTERM arrived."""


@app.command(
    help="Start PostgreSQL (embedded unless ETLMON_DATABASE_URL is set), API, Dagster UI, daemon and both code locations; "
    "stop them all with Ctrl-C. A second start continues where the first one ended.\n\n"
    "Example: etlmon up --demo --home ./.etlmon"
)
def up(
    demo: Annotated[bool, typer.Option("--demo", help="add the synthetic estate and 30 days of its history")] = False,
    home: Annotated[Path | None, typer.Option(help="folder of all state; default ./.etlmon")] = None,
    api_port: Annotated[int | None, typer.Option(help="port of the API; default 8080")] = None,
    ui_port: Annotated[int | None, typer.Option(help="port of the Dagster UI; default 3000")] = None,
    exit_when_ready: Annotated[
        bool, typer.Option(help="stop as soon as everything is up and derived (for tests)")
    ] = False,
) -> None:
    """See the decorator: the help has an example."""
    from resources.launch.display import Display
    from resources.launch.platform_start import run_platform
    from resources.settings import load_settings

    settings = load_settings(home=home, api_port=api_port, ui_port=ui_port)

    def stop(_: int, __: FrameType | None) -> None:
        raise Stopped

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    with Display() as display:
        try:
            run_platform(settings, display, is_demo=demo, is_leaving_when_ready=exit_when_ready)
        except Stopped:
            display.note("stopped")
