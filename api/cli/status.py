"""`etlmon status`: what runs, how fresh each loader is, what failed last."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(add_completion=False)


@app.command(
    help="Show addresses, loaders with their lag and last error, and the push inbox.\n\nExample: etlmon status --json"
)
def status(
    as_json: Annotated[bool, typer.Option("--json", help="machine-readable")] = False,
    home: Annotated[Path | None, typer.Option(help="home of the platform")] = None,
) -> None:
    """See the decorator: the help has an example. Exit code 1 when a loader is behind or the platform does not run."""
    from resources.launch.up_file import read_up_file
    from resources.platform import open_platform
    from resources.settings import load_settings
    from resources.standing import read_standing

    settings = load_settings(home=home)
    running = read_up_file(settings.home)
    with open_platform(settings, is_read_only=True) as (url, lake):
        standing = read_standing(settings, url, lake)
    document: dict[str, Any] = {
        "is_running": running is not None,
        "api": running.api if running else None,
        "ui": running.ui if running else None,
        "home": str(settings.home),
        **standing,
    }
    if as_json:
        print(json.dumps(document, default=str))
    else:
        _print(document)
    if running is None or any(one["is_behind"] for one in document["loaders"]):
        raise typer.Exit(1)


def _print(document: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    if document["is_running"]:
        console.print(f"[green]running[/green]  Dagster UI {document['ui']}  API {document['api']}")
    else:
        console.print("[red]not running[/red]  start it: etlmon up")
    table = Table(box=None, header_style="bold")
    for name in ("loader", "source", "complete until", "behind", "missing 24 h", "late 24 h", "last error"):
        table.add_column(
            name,
            justify="right" if name in {"behind", "missing 24 h", "late 24 h"} else "left",
            no_wrap=name != "last error",
        )
    for one in document["loaders"]:
        behind = f"{one['lag_s'] / 60:.0f} min" if one["lag_s"] is not None else "never captured"
        style = "red" if one["is_behind"] else ""
        until = one["complete_until"].strftime("%Y-%m-%d %H:%M") if one["complete_until"] else "–"
        table.add_row(
            one["code"],
            one["source"],
            until,
            behind,
            str(one["missing"]),
            str(one["late"]),
            one["last_error"] or "",
            style=style,
        )
    console.print(table)
    console.print(
        f"{document['signals']:,} signals · {document['series']:,} series · {document['push_waiting']:,} pushed signals waiting"
    )
